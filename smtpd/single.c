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

#include "lib/log.h"
#include "lib/packet.h"
#include "queue/injection.h"
#include "smtpd/client.h"
#include "smtpd/fence.h"
#include "smtpd/keeper.h"
#include "smtpd/process.h"

#define EXIT_TEMPORARY 111
#define HELPERS_MAX    16 /* of one session at once; a dialogue that is in order asks for one */

_Noreturn static void run_dialogue(struct keeper const *keeper, int input, int output, int requests,
                                   pid_t parent)
{
    int const on = 1;
    struct connection connection = {.input = input,
                                    .output = output,
                                    .settings = keeper->settings,
                                    .injector_requests = requests,
                                    .helper_requests = requests,
                                    .stop = process_stop(),
                                    .waiting = process_waiting_for_stop()};
    client_identify(&connection, true);
    (void)setsockopt(output, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* if it is TCP */
    if (fchdir(keeper->empty) != 0) {
        log_failure("session-failed", "fchdir", errno);
        _exit(EXIT_TEMPORARY);
    }
    int kept[] = {input, output, requests, STDERR_FILENO};
    fence_descriptors(kept, sizeof kept / sizeof *kept);
    privilege_drop(&keeper->dialogue, ".");
    privilege_refuse_root();
    process_end_with(parent);
    fence_dialogue(false);
    _exit(dialogue_run(&connection));
}

_Noreturn static void run_injector(struct keeper const *keeper, int session)
{
    int kept[] = {session, keeper->folder, keeper->wake, STDERR_FILENO};
    fence_descriptors(kept, sizeof kept / sizeof *kept);
    privilege_drop(&keeper->injector, NULL);
    privilege_refuse_root();
    fence_injector(false, keeper->folder);
    _exit(injector_serve(session, keeper->folder, keeper->wake, NULL));
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
        struct pollfd polls[1 + HELPERS_MAX] = {{.fd = asking ? requests : -1, .events = POLLIN}};
        size_t const helpers = helper_polls(&keeper->helpers, polls + 1);
        struct child ended;
        int status;
        ppoll(polls, 1 + helpers, NULL, process_waiting());
        if (*process_stop() && !served)
            kill(dialogue, SIGTERM);
        bool const child = process_take_child();
        while (child && children_reap(&children, &ended, &status)) {
            if (ended.pid != dialogue) {
                helper_ended(&keeper->helpers, ended.pid, status);
                continue;
            }
            served = true;
            code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_TEMPORARY;
        }
        helper_check(&keeper->helpers, polls + 1, helpers);
        /* The end of the socket is not polled for again: ppoll lets no signal through while a
         * descriptor is ready, not even the one that says that the dialogue ended. */
        if (polls[0].revents)
            asking = handle_request(keeper, requests);
    }
    while (wait(NULL) > 0) /* the injector */
        ;
    return code;
}

int keeper_serve_one(struct keeper *keeper, int input, int output)
{
    int requests[2];
    pid_t const parent = getpid();
    process_catch_signals();
    if (!packet_pair(requests)) {
        log_failure("session-failed", "socketpair", errno);
        return EXIT_TEMPORARY;
    }
    pid_t const dialogue = process_fork("smtpd-dialogue");
    if (dialogue == 0) {
        close(requests[0]);
        run_dialogue(keeper, input, output, requests[1], parent);
    }
    close(requests[1]);
    close(input);
    if (output != input)
        close(output);
    return dialogue < 0 ? EXIT_TEMPORARY : keep(keeper, dialogue, requests[0]);
}
