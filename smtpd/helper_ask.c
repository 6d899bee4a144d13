#include "smtpd/helper_ask.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/packet.h"

#define REQUEST_MILLISECONDS 30000
#define START_MILLISECONDS   10000

struct asking {
    int requests, end;
    struct iovec request;
};

static bool send_request(void *context)
{
    struct asking const *const asking = context;
    return packet_send(asking->requests, &asking->request, 1, &asking->end, 1);
}

static bool pause_request(void *context, int milliseconds)
{
    (void)context;
    (void)poll(NULL, 0, milliseconds);
    return true;
}

static int request_on(int type, int requests, char const *request, size_t length)
{
    int ends[2];
    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0) {
        log_failure("helper-not-asked", "socketpair", errno);
        return -1;
    }
    struct asking asking = {.requests = requests,
                            .end = ends[1],
                            .request = {.iov_base = (char *)request, .iov_len = length}};
    bool const sent = packet_insist(&(struct packet_attempt){send_request, pause_request, &asking},
                                    REQUEST_MILLISECONDS);
    if (!sent)
        log_failure("helper-not-asked", "request to the keeper", errno);
    close(ends[1]);
    if (sent)
        return ends[0];
    close(ends[0]);
    return -1;
}

int helper_request(int requests, char const *request, size_t length)
{
    return request_on(SOCK_SEQPACKET, requests, request, length);
}

int helper_talk(int requests, enum helper_kind kind, int type)
{
    char const request = (char)kind;
    return request_on(type, requests, &request, 1);
}

bool helper_take_channels(int answers, int *channels, unsigned int count)
{
    char letter;
    unsigned int taken = count;
    ssize_t const length = packet_receive(answers, &letter, 1, channels, &taken);
    if (length == 1 && letter == '+' && taken == count)
        return true;
    while (length > 0 && taken)
        close(channels[--taken]);
    return false;
}

int helper_take_exit(int answers)
{
    char answer[2];
    if (packet_receive(answers, answer, sizeof answer, NULL, NULL) != 2 || answer[0] != 'x')
        return -1;
    return (unsigned char)answer[1];
}

/* Waits until ANSWERS can be read. HELPER_YES: it can. */
static enum helper_answer wait_for_answer(struct stream *stream, int answers, int64_t milliseconds)
{
    switch (stream_wait(stream, answers, POLLIN, milliseconds)) {
    case STREAM_OK:
        return HELPER_YES;
    case STREAM_TIMEOUT:
    case STREAM_EXPIRED:
        return HELPER_TIMEOUT;
    case STREAM_STOPPED:
        return HELPER_STOPPED;
    default:
        return HELPER_FAILED;
    }
}

/* All of it at once: a new stream socket takes so much, and what it does not take the helper, which
 * must read to the end, will never see. */
static bool tell(int channel, char const *bytes, size_t size)
{
    return send(channel, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size &&
           shutdown(channel, SHUT_WR) == 0;
}

/* After the helper's end: a stream socket that was closed with something unread resets, and only
 * then. A program that says yes without having read the password has checked nothing. */
static bool was_read(int channel)
{
    char byte;
    struct pollfd polled = {.fd = channel, .events = POLLIN};
    return poll(&polled, 1, 0) == 1 && recv(channel, &byte, 1, MSG_DONTWAIT) == 0;
}

static enum helper_answer converse(struct stream *stream, int answers, char const *bytes,
                                   size_t size, int *code)
{
    int channel;
    enum helper_answer answer = wait_for_answer(stream, answers, START_MILLISECONDS);
    if (answer != HELPER_YES)
        return answer;
    if (!helper_take_channels(answers, &channel, 1))
        return HELPER_FAILED;
    bool const told = tell(channel, bytes, size);
    answer =
        wait_for_answer(stream, answers, (int64_t)stream->connection->settings->timeoutauth * 1000);
    if (answer == HELPER_YES) {
        *code = helper_take_exit(answers);
        answer = !told || !was_read(channel) ? HELPER_FAILED
                 : *code == 0                ? HELPER_YES
                 : *code == 1                ? HELPER_NO
                                             : HELPER_FAILED;
    }
    close(channel);
    return answer;
}

enum helper_answer helper_ask(struct stream *stream, char const *request, size_t length,
                              char const *bytes, size_t size, int *code)
{
    *code = -1;
    int const answers = helper_request(stream->connection->helper_requests, request, length);
    if (answers < 0)
        return HELPER_FAILED;
    enum helper_answer const answer = converse(stream, answers, bytes, size, code);
    close(answers); /* the keeper kills a helper that still runs */
    return answer;
}
