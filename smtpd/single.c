/* One connection: what tcpserver, inetd and systemd's Accept=yes ask for. The keeper forks the
 * dialogue, and what the dialogue asks for. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/descriptors.h"
#include "lib/log.h"
#include "lib/packet.h"
#include "lib/process.h"
#include "queue/injection.h"
#include "smtpd/client.h"
#include "smtpd/fence.h"
#include "smtpd/keeper.h"

#define EXIT_TEMPORARY 111
#define HELPERS_MAX    16 /* of one session at once; a dialogue that is in order asks for one */

/* The dialogue keeps what it was given, its requests, and the log. */
static void keep_descriptors(struct connection const *connection)
{
    struct ucspi_tls const *const tls = &connection->ucspi_tls;
    int kept[9] = {
        connection->input,        connection->output,           connection->helper_requests,
        connection->tls_requests, connection->room->descriptor, STDERR_FILENO};
    size_t count = 6;
    if (tls->offered) {
        kept[count++] = tls->control;
        kept[count++] = tls->input;
        kept[count++] = tls->output;
    }
    descriptors_keep(kept, count);
}

_Noreturn static void run_dialogue(struct keeper const *keeper, struct connection *connection,
                                   int requests, pid_t parent)
{
    int const on = 1;
    connection->settings = keeper->settings;
    connection->room = &keeper->room;
    connection->injector_requests = connection->helper_requests = requests;
    connection->tls_requests = keeper->tls.requests;
    connection->stop = process_stop();
    connection->waiting = process_waiting_for_stop();
    client_choose_role(connection, &keeper->settings->role_ports);
    /* if it is TCP */
    (void)setsockopt(connection->output, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fchdir(keeper->empty) != 0) {
        log_failure("session-failed", "fchdir", errno);
        _exit(EXIT_TEMPORARY);
    }
    keep_descriptors(connection);
    privilege_drop(&keeper->dialogue, ".");
    privilege_refuse_root();
    process_end_with(parent);
    fence_dialogue(false);
    _exit(dialogue_run(connection));
}

_Noreturn static void run_injector(struct keeper const *keeper, int session)
{
    struct queue_count *const count =
        keeper->count < 0 ? NULL : queue_count_map(keeper->count, true);
    int kept[] = {session, keeper->folder, keeper->wake, STDERR_FILENO};
    descriptors_keep(kept, sizeof kept / sizeof *kept);
    privilege_drop(&keeper->injector, NULL);
    privilege_refuse_root();
    queue_file_learn(keeper->folder);
    fence_injector(false, keeper->folder);
    _exit(injector_serve(session, keeper->folder, keeper->wake, count, NULL));
}

/* False when nobody can ask any more. */
static bool handle_request(struct keeper *keeper, int requests)
{
    char request[HELPER_REQUEST_MAX];
    int end = -1;
    unsigned int count = 1;
    ssize_t const length = packet_receive(requests, request, sizeof request, &end, &count);
    if (length <= 0 || count != 1)
        return length != 0;
    if (request[0] != HELPER_INJECTOR) {
        if (keeper->helpers.count < HELPERS_MAX)
            helper_start(&keeper->helpers, request, (size_t)length, end);
        else
            close(end);
        return true;
    }
    if (process_fork("smtpd-injector") == 0)
        run_injector(keeper, end);
    close(end);
    return true;
}

/* Until the dialogue has ended and with it, at the end of their sockets, all that it asked for.
 * Returns the dialogue's exit code. */
static int keep(struct keeper *keeper, pid_t dialogue, int requests)
{
    struct children children = {.entries = NULL};
    int code = EXIT_TEMPORARY;
    bool served = false, asking = true;
    while (!served || keeper->helpers.count) {
        struct pollfd polls[2 + HELPERS_MAX] = {{.fd = asking ? requests : -1, .events = POLLIN},
                                                tls_service_poll(&keeper->tls)};
        size_t const helpers = helper_polls(&keeper->helpers, polls + 2);
        struct child ended;
        int status;
        ppoll(polls, 2 + helpers, helper_timeout(&keeper->helpers, NULL), process_waiting());
        if (*process_stop() && !served)
            kill(dialogue, SIGTERM);
        bool const child = process_take_child();
        while (child && children_reap(&children, &ended, &status)) {
            if (ended.pid != dialogue) {
                if (!tls_service_ended(&keeper->tls, ended.pid))
                    helper_ended(&keeper->helpers, ended.pid, status);
                continue;
            }
            served = true;
            code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_TEMPORARY;
        }
        helper_check(&keeper->helpers, polls + 2, helpers);
        if (polls[1].revents)
            tls_service_check(&keeper->tls, &keeper->control);
        /* The end of the socket is not polled for again: ppoll lets no signal through while a
         * descriptor is ready, not even the one that says that the dialogue ended. */
        if (polls[0].revents)
            asking = handle_request(keeper, requests);
    }
    /* The injector, and the TLS service, which still says good-bye to the client. */
    while (wait(NULL) > 0)
        ;
    return code;
}

static void close_client(struct connection const *connection)
{
    struct ucspi_tls const *const tls = &connection->ucspi_tls;
    int const given[] = {connection->input, connection->output, tls->control, tls->input,
                         tls->output};
    size_t const count = tls->offered ? sizeof given / sizeof *given : 2;
    for (size_t i = 0; i < count; i++)
        close(given[i]); /* again, where one is named twice: nothing was opened meanwhile */
}

int keeper_serve_one(struct keeper *keeper, struct connection *connection)
{
    int requests[2];
    pid_t const parent = getpid();
    process_catch_signals();
    if (!packet_pair(requests) || !tls_service_open(&keeper->tls, TLS_SERVER)) {
        log_failure("session-failed", "socketpair", errno);
        return EXIT_TEMPORARY;
    }
    pid_t const dialogue = process_fork("smtpd-dialogue");
    if (dialogue == 0) {
        close(requests[0]);
        run_dialogue(keeper, connection, requests[1], parent);
    }
    close(requests[1]);
    close_client(connection);
    tls_service_close(&keeper->tls);
    return dialogue < 0 ? EXIT_TEMPORARY : keep(keeper, dialogue, requests[0]);
}
