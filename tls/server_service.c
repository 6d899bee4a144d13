#include "tls/server_service.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "configured.h"
#include "lib/clock.h"
#include "lib/descriptors.h"
#include "lib/log.h"
#include "lib/packet.h"
#include "lib/privilege.h"
#include "lib/process.h"
#include "tls/key_channel.h"
#include "tls/key_process.h"
#include "tls/server_engine.h"
#include "tls/template.h"

#define START_AGAIN_SECONDS 1

/* --- the template and its engines --- */

struct servers {
    int channels; /* to the key process */
    int channel;  /* the end of the next engine */
};

static char const *prepare(void *context, struct tls_request const *request)
{
    struct servers *const servers = context;
    (void)request;
    return key_channel_make(servers->channels, &servers->channel);
}

static void serve(void *context, struct tls_request const *request, struct engine_ends const *ends)
{
    struct servers const *const servers = context;
    close(servers->channels);
    server_engine_serve(ends, request->seconds, servers->channel);
}

static void forked(void *context)
{
    struct servers const *const servers = context;
    close(servers->channel);
}

_Noreturn static void run_template(int requests, int channels, struct privilege_user const *user,
                                   pid_t master)
{
    struct servers servers = {.channels = channels};
    struct template const template = {.requests = requests,
                                      .role = TLS_SERVER,
                                      .engine = "tls-server",
                                      .prepare = prepare,
                                      .serve = serve,
                                      .forked = forked,
                                      .context = &servers};
    int kept[] = {requests, channels, STDERR_FILENO};
    descriptors_keep(kept, sizeof kept / sizeof *kept);
    privilege_drop(user, NULL);
    privilege_refuse_root();
    template_fence();
    process_end_with(master);
    template_run(&template);
}

/* --- the master --- */

struct service {
    int requests;
    struct control const *control;
    struct privilege_user engine_user, key_user;
    struct children children; /* these two, and retired ones */
    pid_t template, key;      /* that serve; 0: it is gone */
    bool done;                /* nobody is left who could ask, or SIGTERM */
    time_t start;             /* when the next two may start */
};

static pid_t start_key(struct service *service, int channels)
{
    pid_t const pid = children_fork(&service->children, "tls-key");
    if (pid == 0)
        key_process_start(service->control, channels, true, &service->key_user);
    return pid;
}

static pid_t start_template(struct service *service, int channels)
{
    pid_t const master = getpid();
    pid_t const pid = children_fork(&service->children, "tls-template");
    if (pid == 0)
        run_template(service->requests, channels, &service->engine_user, master);
    return pid;
}

/* Starts a key process and a template that has the way to it. A template that lost its key process
 * has told so each asker until now; it ends with its last engine. A key process that lost its
 * template ends by itself. */
static void start(struct service *service)
{
    int channels[2];
    pid_t const retired = service->template;
    service->template = service->key = 0;
    service->start = clock_seconds() + START_AGAIN_SECONDS;
    if (retired)
        kill(retired, SIGHUP);
    if (!packet_pair(channels)) {
        log_failure("tls-not-started", "socketpair", errno);
        return;
    }
    pid_t const key = start_key(service, channels[0]);
    pid_t const template = key > 0 ? start_template(service, channels[1]) : -1;
    close(channels[0]);
    close(channels[1]);
    if (template > 0) {
        service->key = key;
        service->template = template;
    }
}

static void reap(struct service *service)
{
    struct child ended;
    int status;
    while (children_reap(&service->children, &ended, &status)) {
        if (WIFEXITED(status) && WEXITSTATUS(status) == TEMPLATE_NO_ASKERS)
            service->done = true;
        if (service->done || (ended.pid != service->key && ended.pid != service->template))
            continue;
        /* A key process ends well when its template has ended. */
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            log_failure("tls-restarts",
                        ended.pid == service->key ? "the key process ended: no TLS for a second"
                                                  : "the template of the engines ended",
                        0);
        service->start = clock_seconds() + START_AGAIN_SECONDS;
        if (ended.pid == service->key)
            service->key = 0;
        else
            service->template = 0;
    }
}

static void stop(struct service *service)
{
    service->done = true;
    children_signal(&service->children, SIGTERM);
}

static void turn(struct service *service)
{
    bool const complete = service->key && service->template;
    if (!complete && !service->done && clock_seconds() >= service->start)
        start(service);
    struct timespec const soon = {.tv_nsec = 100000000};
    bool const waits = !(service->key && service->template) && !service->done;
    ppoll(NULL, 0, waits ? &soon : NULL, process_waiting());
    if (process_take_child())
        reap(service);
    (void)process_take_hangup(); /* files are looked at for each connection */
    if (*process_stop() && !service->done)
        stop(service);
}

int server_service_run(int requests, struct control const *control)
{
    struct service service = {.requests = requests, .control = control};
    if (!privilege_find(&service.engine_user, CONFIGURED_USER_TLS) ||
        !privilege_find(&service.key_user, CONFIGURED_USER_KEY))
        return 111;
    process_catch_signals();
    do
        turn(&service);
    while (!service.done || service.children.count);
    free(service.children.entries);
    return 0;
}
