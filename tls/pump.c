#include "tls/pump.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"

#define PIPE_PIECE                                                                                 \
    4096               /* bytes that a pipe which polls writable takes without a wait: PIPE_BUF    \
                        */
#define RECORD_READS 2 /* of a socket in one turn: the header of a record, and the record */

enum { POLL_IN, POLL_OUT, POLL_PLAIN, POLL_COUNT };

static bool is_socket(int descriptor)
{
    int type;
    socklen_t length = sizeof type;
    return getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &length) == 0;
}

void pump_start(struct pump *pump, br_ssl_engine_context *tls, struct engine_ends const *ends)
{
    *pump = (struct pump){.tls = tls,
                          .ends = ends,
                          .in_is_socket = is_socket(ends->in),
                          .out_is_socket = is_socket(ends->out)};
    /* Records go out as they are made: Nagle's algorithm would hold the second one of a handshake
     * until the first is acknowledged. Fails on what is not TCP, where it does not matter. */
    int const on = 1;
    if (pump->out_is_socket)
        (void)setsockopt(ends->out, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void pump_set_deadline(struct pump *pump, unsigned int seconds)
{
    pump->deadline = seconds ? clock_milliseconds() + (int64_t)seconds * 1000 : 0;
}

bool pump_is_late(struct pump const *pump)
{
    return pump->deadline && clock_milliseconds() >= pump->deadline;
}

bool pump_is_ready(struct pump const *pump)
{
    return br_ssl_engine_current_state(pump->tls) & (BR_SSL_SENDAPP | BR_SSL_RECVAPP);
}

bool pump_is_over(struct pump const *pump)
{
    unsigned int const state = br_ssl_engine_current_state(pump->tls);
    return pump->broken || state == BR_SSL_CLOSED ||
           (pump->input_ended && pump->closing && !(state & BR_SSL_SENDREC)) || pump_is_late(pump);
}

/* --- the four ways --- */

static bool is_to_be_tried_again(ssize_t result)
{
    return result < 0 && (errno == EAGAIN || errno == EINTR);
}

/* False: nothing more now. */
static bool take_record(struct pump *pump)
{
    size_t length;
    unsigned char *const buffer = br_ssl_engine_recvrec_buf(pump->tls, &length);
    if (!buffer)
        return false;
    ssize_t const got = pump->in_is_socket ? recv(pump->ends->in, buffer, length, MSG_DONTWAIT)
                                           : read(pump->ends->in, buffer, length);
    if (is_to_be_tried_again(got))
        return false;
    if (got <= 0) {
        pump->broken = got < 0;
        pump->input_ended = true;
        return false;
    }
    br_ssl_engine_recvrec_ack(pump->tls, (size_t)got);
    return true;
}

static void send_record(struct pump *pump)
{
    size_t length;
    unsigned char *const buffer = br_ssl_engine_sendrec_buf(pump->tls, &length);
    if (!buffer)
        return;
    ssize_t const sent =
        pump->out_is_socket
            ? send(pump->ends->out, buffer, length, MSG_DONTWAIT | MSG_NOSIGNAL)
            : write(pump->ends->out, buffer, length < PIPE_PIECE ? length : PIPE_PIECE);
    if (sent >= 0)
        br_ssl_engine_sendrec_ack(pump->tls, (size_t)sent);
    else if (!is_to_be_tried_again(sent))
        pump->broken = true;
}

/* What nobody wants any more. BearSSL would wait for ever for somebody to take it. */
static void discard(struct pump *pump)
{
    size_t length;
    if (br_ssl_engine_recvapp_buf(pump->tls, &length))
        br_ssl_engine_recvapp_ack(pump->tls, length);
}

/* From here on there is a deadline for what it still had to say. */
static void note_asker_gone(struct pump *pump)
{
    if (!pump->asker_gone)
        pump_set_deadline(pump, ENGINE_CLOSE_SECONDS);
    pump->asker_gone = true;
    discard(pump);
}

static void begin_close(struct pump *pump)
{
    note_asker_gone(pump);
    pump->closing = true;
    br_ssl_engine_close(pump->tls);
}

static void take_plain(struct pump *pump)
{
    size_t length;
    unsigned char *const buffer = br_ssl_engine_sendapp_buf(pump->tls, &length);
    if (!buffer)
        return;
    ssize_t const got = recv(pump->ends->plain, buffer, length, MSG_DONTWAIT);
    if (is_to_be_tried_again(got))
        return;
    if (got <= 0) {
        begin_close(pump);
        return;
    }
    br_ssl_engine_sendapp_ack(pump->tls, (size_t)got);
    br_ssl_engine_flush(pump->tls, 0);
}

static void give_plain(struct pump *pump)
{
    size_t length;
    unsigned char *const buffer = br_ssl_engine_recvapp_buf(pump->tls, &length);
    if (!buffer)
        return;
    ssize_t const given = send(pump->ends->plain, buffer, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (given > 0) {
        /* It would stay until the next record comes, and may be a password. */
        explicit_bzero(buffer, (size_t)given);
        br_ssl_engine_recvapp_ack(pump->tls, (size_t)given);
    } else if (!is_to_be_tried_again(given))
        note_asker_gone(pump);
}

/* --- a turn --- */

/* The end of the connection behind our close_notify: who waits for it need not wait for us. */
static void shut_output(struct pump *pump)
{
    if (pump->output_shut || !pump->closing ||
        (br_ssl_engine_current_state(pump->tls) & BR_SSL_SENDREC))
        return;
    pump->output_shut = true;
    if (pump->out_is_socket)
        shutdown(pump->ends->out, SHUT_WR);
}

static int wait_milliseconds(struct pump const *pump)
{
    if (!pump->deadline)
        return -1;
    int64_t const time = clock_milliseconds();
    return time >= pump->deadline ? 0 : (int)(pump->deadline - time);
}

/* What to wait for. The connection is not polled without a wish: its end, or an error on it, would
 * come at once each time. The plain socket is, for its end, until that was seen. */
static void wish(struct pump const *pump, bool plain, struct pollfd polled[POLL_COUNT])
{
    unsigned int const state = br_ssl_engine_current_state(pump->tls);
    bool const takes = (state & BR_SSL_RECVREC) && !pump->input_ended;
    short wanted = 0;
    if (plain && (state & BR_SSL_SENDAPP))
        wanted |= POLLIN;
    if (plain && (state & BR_SSL_RECVAPP) && !pump->asker_gone)
        wanted |= POLLOUT;
    bool const watches = !pump->closing && (wanted || !pump->asker_gone);
    polled[POLL_IN] = (struct pollfd){.fd = takes ? pump->ends->in : -1, .events = POLLIN};
    polled[POLL_OUT] =
        (struct pollfd){.fd = state & BR_SSL_SENDREC ? pump->ends->out : -1, .events = POLLOUT};
    polled[POLL_PLAIN] = (struct pollfd){.fd = watches ? pump->ends->plain : -1, .events = wanted};
}

/* What can only move after something else did is tried at once where that cannot block. */
void pump_turn(struct pump *pump, bool plain)
{
    struct pollfd polled[POLL_COUNT];
    wish(pump, plain, polled);
    if (poll(polled, POLL_COUNT, wait_milliseconds(pump)) < 0)
        return;
    if (polled[POLL_PLAIN].revents & (POLLHUP | POLLERR))
        note_asker_gone(pump);
    if (plain && (polled[POLL_PLAIN].revents & POLLOUT))
        give_plain(pump);
    for (int i = 0; polled[POLL_IN].revents && i < (pump->in_is_socket ? RECORD_READS : 1); i++)
        if (!take_record(pump))
            break;
    if (pump->asker_gone)
        discard(pump);
    else if (plain)
        give_plain(pump);
    if (plain && (polled[POLL_PLAIN].revents & (POLLIN | POLLHUP)))
        take_plain(pump);
    if (polled[POLL_OUT].revents || pump->out_is_socket)
        send_record(pump);
    shut_output(pump);
}
