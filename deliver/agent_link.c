#include "deliver/agent_link.h"

#include <errno.h>
#include <string.h>

#include <skalibs/djbunix.h>
#include <skalibs/error.h>
#include <skalibs/iopause.h>
#include <skalibs/sig.h>

#include "lib/log.h"
#include "lib/sender.h"

static bool fail(char const *what, int number)
{
    log_failure("agent-ends", what, number);
    return false;
}

bool agent_link_start(struct agent_link *link, int socket)
{
    link->answer = (stralloc)STRALLOC_ZERO;
    sig_ignore(SIGPIPE);
    if (ndelay_on(socket) < 0)
        return fail("the scheduler's socket", errno);
    unixmessage_sender_init(&link->sender, socket);
    if (!unixmessage_receiver_init(&link->receiver, socket, link->main_buffer,
                                   sizeof link->main_buffer, link->descriptor_buffer,
                                   sizeof link->descriptor_buffer))
        return fail("unixmessage_receiver_init", errno);
    return true;
}

void agent_link_free(struct agent_link *link)
{
    unixmessage_sender_free(&link->sender);
    unixmessage_receiver_free(&link->receiver);
    stralloc_free(&link->answer);
}

static bool is_gone(int number)
{
    return number == EPIPE || number == ECONNRESET;
}

enum agent_link_result agent_link_receive(struct agent_link *link, unixmessage *message)
{
    int received;
    do
        received = unixmessage_receive(&link->receiver, message);
    while (received < 0 && errno == EINTR);
    if (received > 0)
        return AGENT_LINK_JOB;
    if (received == 0 || error_isagain(errno))
        return AGENT_LINK_NONE;
    if (is_gone(errno))
        return AGENT_LINK_END;
    fail("jobs cannot be received", errno);
    return AGENT_LINK_FAILED;
}

bool agent_link_has_job(struct agent_link const *link)
{
    return unixmessage_receiver_hasmsginbuf(&link->receiver);
}

int agent_link_descriptor(struct agent_link const *link)
{
    return unixmessage_receiver_fd(&link->receiver);
}

bool agent_link_answer(struct agent_link *link, struct job_answer const *answer)
{
    unixmessage message = {.s = NULL, .len = 0, .fds = NULL, .nfds = 0};
    link->answer.len = 0;
    if (!job_answer_format(&link->answer, answer))
        return fail("an answer found no memory", errno);
    message.s = link->answer.s;
    message.len = link->answer.len;
    return unixmessage_put(&link->sender, &message) || fail("an answer found no memory", errno);
}

enum agent_link_result agent_link_flush(struct agent_link *link)
{
    while (!sender_flush(&link->sender)) {
        if (is_gone(errno))
            return AGENT_LINK_END;
        if (!error_isagain(errno)) {
            fail("answers cannot be sent", errno);
            return AGENT_LINK_FAILED;
        }
        /* As long as the scheduler lives: it set no limit to its own work, and leaving would only
         * deliver once more. */
        iopause_fd writable = {.fd = unixmessage_sender_fd(&link->sender), .events = IOPAUSE_WRITE};
        if (iopause(&writable, 1, NULL, NULL) < 0 && errno != EINTR) {
            fail("iopause", errno);
            return AGENT_LINK_FAILED;
        }
    }
    return AGENT_LINK_NONE;
}
