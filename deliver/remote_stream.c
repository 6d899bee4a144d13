#include "deliver/remote_stream.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/iopause.h>

void remote_stream_start(struct remote_stream *stream, int from, int to)
{
    stream->from = from;
    stream->to = to;
    stream->in_first = stream->in_end = stream->out_first = stream->out_end = 0;
    stream->lines = 0;
    stream->ended = stream->deaf = false;
    stream->error = 0;
}

char *remote_stream_room(struct remote_stream *stream, size_t length)
{
    if (!remote_stream_writing(stream))
        stream->out_first = stream->out_end = 0;
    if (sizeof stream->out - stream->out_end >= length)
        return stream->out + stream->out_end;
    if (sizeof stream->out - (stream->out_end - stream->out_first) < length)
        return NULL;
    memmove(stream->out, stream->out + stream->out_first, stream->out_end - stream->out_first);
    stream->out_end -= stream->out_first;
    stream->out_first = 0;
    return stream->out + stream->out_end;
}

void remote_stream_add(struct remote_stream *stream, size_t length)
{
    stream->out_end += length;
}

bool remote_stream_writing(struct remote_stream const *stream)
{
    return stream->out_first < stream->out_end;
}

bool remote_stream_has_input(struct remote_stream const *stream)
{
    return stream->in_first < stream->in_end;
}

void remote_stream_wipe(struct remote_stream *stream)
{
    explicit_bzero(stream->out, sizeof stream->out);
    stream->out_first = stream->out_end = 0;
}

static bool is_later(int number)
{
    return number == EAGAIN || number == EWOULDBLOCK || number == EINTR;
}

/* True when something has changed. */
static bool read_some(struct remote_stream *stream)
{
    ssize_t const got =
        read(stream->from, stream->in + stream->in_end, sizeof stream->in - stream->in_end);
    if (got > 0) {
        stream->in_end += (size_t)got;
    } else if (got == 0) {
        stream->ended = true;
    } else if (!is_later(errno)) {
        stream->error = errno;
        stream->ended = true;
    }
    return got >= 0 || stream->ended;
}

/* A server that hangs up in mid sentence has often said why: what came before is still to be read.
 */
static void write_some(struct remote_stream *stream)
{
    char const *const start = stream->out + stream->out_first;
    ssize_t const put = write(stream->to, start, stream->out_end - stream->out_first);
    if (put < 0) {
        stream->deaf = !is_later(errno);
        return;
    }
    for (char const *lf = start; (lf = memchr(lf, '\n', (size_t)(start + put - lf))) != NULL; lf++)
        stream->lines++;
    stream->out_first += (size_t)put;
}

enum remote_stream_result remote_stream_turn(struct remote_stream *stream, tain const *deadline)
{
    if (remote_stream_has_input(stream))
        return REMOTE_STREAM_READY;
    stream->in_first = stream->in_end = 0;
    bool const writing = remote_stream_writing(stream) && !stream->deaf;
    iopause_fd waiting[2] = {{.fd = stream->from, .events = IOPAUSE_READ},
                             {.fd = stream->to, .events = IOPAUSE_WRITE}};
    if (stream->ended)
        return stream->error ? REMOTE_STREAM_BROKEN : REMOTE_STREAM_ENDED;
    int const events = iopause_g(waiting, writing ? 2 : 1, deadline);
    if (events < 0 && errno != EINTR) {
        stream->error = errno;
        stream->ended = true;
    }
    if (events == 0)
        return REMOTE_STREAM_TIMEOUT;
    if (events > 0 && waiting[0].revents && read_some(stream))
        return !stream->ended  ? REMOTE_STREAM_READY
               : stream->error ? REMOTE_STREAM_BROKEN
                               : REMOTE_STREAM_ENDED;
    if (events > 0 && writing && waiting[1].revents)
        write_some(stream);
    return REMOTE_STREAM_READY;
}
