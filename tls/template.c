#include "tls/template.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/packet.h"
#include "lib/process.h"

/* Those who ask have limits of their own; this bounds one that does not keep to them. */
#define ENGINES_MAX 50000

static void close_ends(struct engine_ends const *ends)
{
    close(ends->in);
    close(ends->out);
    close(ends->plain);
    close(ends->answers);
}

/* SIGTERM and SIGHUP are the template's matter: an engine ends when its asker does, and that of a
 * session in the middle of a command is asked for one more answer. */
_Noreturn static void serve(struct template const *template, struct tls_request const *request,
                            struct engine_ends const *ends)
{
    close(template->requests);
    template->serve(template->context, request, ends);
    _exit(0);
}

static char const *prepare(struct template const *template, struct children *children,
                           struct tls_request const *request)
{
    if (request->role != template->role)
        return "this service has no such role";
    if (children->count >= ENGINES_MAX || !children_reserve(children))
        return "too many connections use TLS";
    return template->prepare ? template->prepare(template->context, request) : NULL;
}

static void start(struct template const *template, struct children *children,
                  struct tls_request const *request, struct engine_ends const *ends)
{
    char const *const problem = prepare(template, children, request);
    if (problem) {
        engine_refuse(ends, problem);
        return;
    }
    pid_t const pid = process_fork(template->engine);
    if (pid == 0)
        serve(template, request, ends);
    if (pid > 0)
        children_add(children, pid, 0);
    else
        engine_refuse(ends, "no process could be started");
    if (template->forked)
        template->forked(template->context);
}

/* Takes one request, unless another template was faster. False: there is nothing. */
static bool take(struct template const *template, struct children *children)
{
    char bytes[TLS_REQUEST_MAX];
    int descriptors[TLS_REQUEST_DESCRIPTORS];
    unsigned int count = TLS_REQUEST_DESCRIPTORS;
    struct tls_request request;
    ssize_t const length =
        packet_take(template->requests, bytes, sizeof bytes, descriptors, &count);
    if (length <= 0)
        return false;
    if (count == TLS_REQUEST_DESCRIPTORS && tls_request_parse(&request, bytes, (size_t)length)) {
        struct engine_ends const ends = {.in = descriptors[0],
                                         .out = descriptors[1],
                                         .plain = descriptors[2],
                                         .answers = descriptors[3]};
        start(template, children, &request, &ends);
        close_ends(&ends);
        return true;
    }
    log_failure("tls-request-refused", "what came is no request for TLS", 0);
    while (count)
        close(descriptors[--count]);
    return true;
}

/* True: there is more to do. */
static bool wait_for_request(struct template const *template, struct pollfd *request, bool busy)
{
    static struct timespec const at_once = {0};
    ppoll(request, 1, busy ? &at_once : NULL, process_waiting());
    return !request->revents && busy && template->idle(template->context);
}

_Noreturn void template_run(struct template const *template)
{
    struct children children = {.entries = NULL};
    bool retired = false, busy = template->idle, asked = true;
    while ((asked && !retired) || children.count) {
        struct pollfd request = {.fd = asked && !retired ? template->requests : -1,
                                 .events = POLLIN | POLLRDHUP};
        struct child ended;
        int status;
        busy = wait_for_request(template, &request, busy && !retired);
        if (process_take_child())
            while (children_reap(&children, &ended, &status))
                ;
        if (process_take_hangup() || *process_stop())
            retired = true;
        if (!request.revents || retired)
            continue;
        if (!take(template, &children))
            asked = !(request.revents & (POLLHUP | POLLRDHUP));
        busy = template->idle; /* the request may have made it so */
    }
    _exit(asked ? 0 : TEMPLATE_NO_ASKERS);
}
