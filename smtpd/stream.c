#include "smtpd/stream.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"

#define LINGER_MILLISECONDS 1000

static int64_t session_deadline(struct stream const *stream)
{
    return stream->session_deadline + (int64_t)(stream->received >> 10) * 1000;
}

void stream_start(struct stream *stream, struct connection const *connection)
{
    stream->connection = connection;
    stream->from = connection->input;
    stream->to = connection->output;
    stream->session_deadline =
        clock_milliseconds() + (int64_t)connection->settings->timeoutsession * 1000;
    stream->received = 0;
    stream->output_is_pipe = stream->lost = stream->shared = false;
    stream->start = stream->end = stream->touched = stream->pending = 0;
    stream_set_deadline(stream);
}

void stream_set_deadline(struct stream *stream)
{
    stream->deadline =
        clock_milliseconds() + (int64_t)stream->connection->settings->timeoutsmtpd * 1000;
}

/* Waits for EVENTS on DESCRIPTOR, or with -1 only for DEADLINE. SIGTERM is let through here and
 * nowhere else; a writer waits on, because its reply is about to be on its way. */
static enum stream_result wait_for(struct stream *stream, int descriptor, short events,
                                   int64_t deadline)
{
    for (;;) {
        int64_t expiry = session_deadline(stream);
        int64_t now = clock_milliseconds();
        int64_t left = (deadline < expiry ? deadline : expiry) - now;
        if (left <= 0)
            return expiry <= now ? STREAM_EXPIRED : STREAM_TIMEOUT;
        struct timespec timeout = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
        struct pollfd watched = {.fd = descriptor, .events = events, .revents = 0};
        int ready = ppoll(&watched, 1, &timeout, stream->connection->waiting);
        if (ready > 0)
            return STREAM_OK;
        if (ready < 0 && errno != EINTR)
            return STREAM_LOST;
        if (*stream->connection->stop && events != POLLOUT)
            return STREAM_STOPPED;
    }
}

/* Tries once to write. Sockets are written to without waiting and without changing the flags that
 * an inherited descriptor shares with others; a pipe that is ready takes PIPE_BUF bytes at once. */
static ssize_t write_some(struct stream *stream, char const *bytes, size_t length)
{
    if (!stream->output_is_pipe) {
        ssize_t written = send(stream->to, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (written >= 0 || errno != ENOTSOCK)
            return written;
        stream->output_is_pipe = true;
    }
    enum stream_result ready = wait_for(stream, stream->to, POLLOUT, stream->deadline);
    if (ready != STREAM_OK) {
        errno = ETIMEDOUT;
        return -1;
    }
    return write(stream->to, bytes, length < PIPE_BUF ? length : PIPE_BUF);
}

bool stream_flush(struct stream *stream)
{
    size_t done = 0;
    if (stream->pending == 0)
        return !stream->lost;
    /* A reply has its own time: the client may have used up its command's to the last second. */
    stream_set_deadline(stream);
    while (!stream->lost && done < stream->pending) {
        ssize_t written = write_some(stream, stream->output + done, stream->pending - done);
        if (written > 0)
            done += (size_t)written;
        else if (written < 0 && errno == EAGAIN)
            stream->lost = wait_for(stream, stream->to, POLLOUT, stream->deadline) != STREAM_OK;
        else if (written == 0 || errno != EINTR)
            stream->lost = true;
    }
    stream->pending = 0;
    return !stream->lost;
}

void stream_put(struct stream *stream, char const *bytes, size_t length)
{
    if (length > STREAM_OUTPUT_SIZE - stream->pending)
        (void)stream_flush(stream);
    memcpy(stream->output + stream->pending, bytes, length);
    stream->pending += length;
}

enum stream_result stream_fill(struct stream *stream)
{
    if (!stream_flush(stream))
        return STREAM_LOST;
    if (stream->start == stream->end) {
        stream->start = stream->end = 0;
    } else if (stream->end == STREAM_INPUT_SIZE) {
        memmove(stream->input, stream->input + stream->start, stream->end - stream->start);
        stream->end -= stream->start;
        stream->start = 0;
    }
    for (;;) {
        enum stream_result ready = wait_for(stream, stream->from, POLLIN, stream->deadline);
        if (ready != STREAM_OK)
            return ready;
        ssize_t got =
            read(stream->from, stream->input + stream->end, STREAM_INPUT_SIZE - stream->end);
        if (got > 0) {
            stream->end += (size_t)got;
            if (stream->touched < stream->end)
                stream->touched = stream->end;
            stream->received += (uint64_t)got;
            return STREAM_OK;
        }
        if (got == 0)
            return STREAM_END;
        if (errno != EINTR && errno != EAGAIN)
            return STREAM_LOST;
    }
}

enum stream_result stream_peek(struct stream const *stream)
{
    char byte;
    if (stream->start < stream->end)
        return STREAM_OK;
    ssize_t const got = recv(stream->from, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && errno == ENOTSOCK) {
        struct pollfd watched = {.fd = stream->from, .events = POLLIN};
        struct timespec const now = {0};
        if (ppoll(&watched, 1, &now, NULL) <= 0)
            return STREAM_TIMEOUT;
        return watched.revents & POLLIN ? STREAM_OK : STREAM_END;
    }
    if (got < 0)
        return errno == EAGAIN ? STREAM_TIMEOUT : STREAM_LOST;
    return got ? STREAM_OK : STREAM_END;
}

void stream_switch(struct stream *stream, int from, int to)
{
    close(stream->from);
    if (stream->to != stream->from)
        close(stream->to);
    stream->from = from;
    stream->to = to;
    stream->output_is_pipe = stream->shared = false;
    stream->start = stream->end = stream->pending = 0;
}

enum stream_result stream_wait(struct stream *stream, int descriptor, short events,
                               int64_t milliseconds)
{
    return wait_for(stream, descriptor, events, clock_milliseconds() + milliseconds);
}

void stream_wipe(struct stream *stream)
{
    explicit_bzero(stream->input, stream->start);
    explicit_bzero(stream->input + stream->end, stream->touched - stream->end);
}

enum stream_result stream_pause(struct stream *stream, int64_t milliseconds)
{
    enum stream_result result = wait_for(stream, -1, 0, clock_milliseconds() + milliseconds);
    return result == STREAM_TIMEOUT ? STREAM_OK : result;
}

void stream_linger(struct stream *stream)
{
    (void)stream_flush(stream);
    if (stream->lost || shutdown(stream->to, SHUT_WR) < 0)
        return;
    stream->deadline = clock_milliseconds() + LINGER_MILLISECONDS;
    do
        stream->start = stream->end = 0;
    while (stream_fill(stream) == STREAM_OK);
}

void stream_end(struct stream *stream)
{
    (void)stream_flush(stream);
    if (stream->shared)
        (void)shutdown(stream->to, SHUT_RDWR); /* a pipe has no such thing */
}
