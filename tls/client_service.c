#include "tls/client_service.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "configured.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/privilege.h"
#include "lib/process.h"
#include "tls/anchors.h"
#include "tls/anchors_watch.h"
#include "tls/client_reason.h"
#include "tls/client_setup.h"
#include "tls/engine.h"
#include "tls/template.h"

#define START_AGAIN_SECONDS 1

/* --- the template and its engines --- */

struct clients {
    struct anchors anchors;
    bool wanted; /* somebody verifies: only then is it worth while to decode the anchors */
};

static char const *prepare(void *context, struct tls_request const *request)
{
    struct clients *const clients = context;
    if (request->level == TLS_VERIFY)
        clients->wanted = true;
    return NULL;
}

static bool decode(void *context)
{
    struct clients *const clients = context;
    if (clients->wanted)
        anchors_decode_next(&clients->anchors, true);
    return clients->wanted && anchors_are_waiting(&clients->anchors);
}

static void complete(void *context, struct tls_answer *answer, int error)
{
    struct client const *const client = context;
    char const *const words = error ? client_reason(&client->chain, error) : NULL;
    if (answer->kind == TLS_HANDSHAKE)
        answer->verified = client->chain.verify;
    else if (answer->kind == TLS_FAILED && words)
        snprintf(answer->reason, sizeof answer->reason, "%s", words);
}

static void serve(void *context, struct tls_request const *request, struct engine_ends const *ends)
{
    static struct client client; /* large, and there is one a process */
    struct clients *const clients = context;
    engine_fence();
    while (request->level == TLS_VERIFY && anchors_are_waiting(&clients->anchors))
        anchors_decode_next(&clients->anchors, false);
    char const *const wrong = client_prepare(&client, request, &clients->anchors);
    if (wrong) {
        engine_refuse(ends, wrong);
        return;
    }
    struct engine const engine = {.ends = *ends,
                                  .seconds = request->seconds,
                                  .peer = "server",
                                  .complete = complete,
                                  .context = &client};
    engine_run(&engine, &client.context.eng);
}

_Noreturn static void run_template(int requests, struct control const *control, pid_t master)
{
    static struct clients clients;
    struct template const template = {.requests = requests,
                                      .role = TLS_CLIENT,
                                      .engine = "tls-client",
                                      .prepare = prepare,
                                      .serve = serve,
                                      .idle = decode,
                                      .context = &clients};
    anchors_read(&clients.anchors, control);
    close(control->directory);
    template_fence();
    process_end_with(master);
    template_run(&template);
}

/* --- the master --- */

struct service {
    int requests;
    struct control const *control;
    struct anchors_watch watch;
    struct children children; /* templates: the one that serves, and retired ones */
    pid_t serving;            /* 0: none */
    bool done;                /* nobody is left who could ask, or SIGTERM */
    time_t start, look;       /* when the next template may start, when files are looked at */
};

static void start_template(struct service *service)
{
    pid_t const master = getpid();
    service->serving = 0;
    pid_t const pid = children_fork(&service->children, "tls-template");
    if (pid == 0)
        run_template(service->requests, service->control, master);
    if (pid > 0)
        service->serving = pid;
}

/* The new one first: so a request never waits for the fork of one who takes it. */
static void replace_template(struct service *service)
{
    pid_t const retired = service->serving;
    start_template(service);
    if (!service->serving)
        service->serving = retired;
    else if (retired)
        kill(retired, SIGHUP);
}

static void reap(struct service *service)
{
    struct child ended;
    int status;
    while (children_reap(&service->children, &ended, &status)) {
        if (WIFEXITED(status) && WEXITSTATUS(status) == TEMPLATE_NO_ASKERS)
            service->done = true;
        if (ended.pid == service->serving)
            service->serving = 0;
    }
}

/* One turn: what is due, and a wait for what comes. */
static void turn(struct service *service)
{
    if (!service->serving && !service->done && clock_seconds() >= service->start) {
        service->start = clock_seconds() + START_AGAIN_SECONDS;
        start_template(service);
    }
    if (clock_seconds() >= service->look) {
        service->look = clock_seconds() + ANCHORS_WATCH_SECONDS;
        if (anchors_watch_look(&service->watch) && !service->done)
            replace_template(service);
    }
    time_t const due = service->serving || service->done ? service->look : service->start;
    time_t const seconds = due - clock_seconds();
    struct timespec const timeout = {.tv_sec = seconds > 0 ? seconds : 0};
    ppoll(NULL, 0, &timeout, process_waiting());
    if (process_take_child())
        reap(service);
    if (process_take_hangup() && !service->done)
        replace_template(service);
    if (*process_stop() && !service->done) {
        service->done = true;
        children_signal(&service->children, SIGTERM);
    }
}

int client_service_run(int requests, struct control const *control)
{
    struct privilege_user user;
    struct service service = {.requests = requests, .control = control};
    if (!privilege_find(&user, CONFIGURED_USER_TLS))
        return 111;
    process_catch_signals();
    privilege_drop(&user, NULL);
    privilege_refuse_root();
    anchors_watch_start(&service.watch, control);
    service.look = clock_seconds() + ANCHORS_WATCH_SECONDS;
    do
        turn(&service);
    while (!service.done || service.children.count);
    free(service.children.entries);
    return 0;
}
