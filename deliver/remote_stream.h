/* The octets to and from a server: buffered, never blocking, both ways at once.
 *
 * Reading goes on while there is something to write. So a server that waits with its answers until
 * we read, and one that answers before it has read all of a pipeline, are the same to us: neither
 * can make both sides wait for each other (RFC 2920 3.1 asks for small windows instead). */
#ifndef EKIDEN_REMOTE_STREAM_H
#define EKIDEN_REMOTE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <skalibs/tai.h>

#define REMOTE_STREAM_IN  (4u << 10)
#define REMOTE_STREAM_OUT (64u << 10)

enum remote_stream_result {
    REMOTE_STREAM_READY,   /* something was read or written */
    REMOTE_STREAM_TIMEOUT, /* the deadline came first */
    REMOTE_STREAM_ENDED,   /* the server has closed its side */
    REMOTE_STREAM_BROKEN   /* an error: stream->error, an errno value */
};

struct remote_stream {
    int from, to;              /* non-blocking; not owned */
    size_t in_first, in_end;   /* what was read and not yet taken: in[in_first .. in_end) */
    size_t out_first, out_end; /* what is not yet written */
    uint64_t lines;            /* LFs that were written so far */
    bool ended;                /* nothing more will come */
    bool deaf;                 /* nothing more can be written; what it said before may still come */
    int error;
    char in[REMOTE_STREAM_IN];
    char out[REMOTE_STREAM_OUT];
};

void remote_stream_start(struct remote_stream *stream, int from, int to);

/* Room for LENGTH more octets to write, to be announced by remote_stream_add. NULL when there is
 * none at the moment. */
char *remote_stream_room(struct remote_stream *stream, size_t length);
void remote_stream_add(struct remote_stream *stream, size_t length);

/* True while octets wait to be written, or to be taken. */
bool remote_stream_writing(struct remote_stream const *stream);
bool remote_stream_has_input(struct remote_stream const *stream);

/* Overwrites the memory that octets to be written were in, and those themselves. */
void remote_stream_wipe(struct remote_stream *stream);

/* Waits until DEADLINE (absolute; skalibs' STAMP is the clock, and is kept up to date) for octets
 * to come or to go, and moves them. When something came it returns before it writes, so that the
 * caller can see that it came early; when input is there already, it returns at once.
 */
enum remote_stream_result remote_stream_turn(struct remote_stream *stream, tain const *deadline);

#endif
