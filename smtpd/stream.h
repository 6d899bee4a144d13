/* The client's connection with its buffers and deadlines.
 *
 * Input is one flat buffer that is touched only as far as bytes arrive, so that an idle session
 * costs a page. Output is collected and written in one call just before the dialogue would wait, so
 * that a pipelined group gets its replies in one packet.
 *
 * System calls: read, write, sendto, ppoll, clock_gettime, shutdown. The caller ignores SIGPIPE. */
#ifndef EKIDEN_STREAM_H
#define EKIDEN_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "smtpd/connection.h"

#define STREAM_INPUT_SIZE  (64u << 10)
#define STREAM_OUTPUT_SIZE 4096u /* beyond it replies go out early */

enum stream_result {
    STREAM_OK,
    STREAM_END,     /* the client closed its side */
    STREAM_LOST,    /* reset, or any other failure: nothing more can be said */
    STREAM_TIMEOUT, /* the deadline of a command or of a block of data */
    STREAM_EXPIRED, /* the deadline of the whole session */
    STREAM_STOPPED  /* SIGTERM came while waiting */
};

struct stream {
    struct connection const *connection;
    int from, to;             /* the connection's, or those of the plain side of its TLS */
    int64_t session_deadline; /* milliseconds of CLOCK_MONOTONIC, before the bonus for bytes */
    int64_t deadline;         /* of the command or block that is waited for */
    uint64_t received;        /* bytes */
    bool output_is_pipe;      /* it is no socket */
    bool lost;                /* a write failed */
    bool shared;              /* somebody else may hold the connection open */
    size_t start, end;        /* of the input that is not consumed */
    size_t touched;           /* bytes of input that were ever used */
    size_t pending;           /* bytes in output */
    char output[STREAM_OUTPUT_SIZE];
    char input[STREAM_INPUT_SIZE];
};

/* Starts the session's clock. Does not touch the buffers. */
void stream_start(struct stream *stream, struct connection const *connection);

/* Sets the deadline of what is waited for next to timeoutsmtpd from now. */
void stream_set_deadline(struct stream *stream);

/* Writes what is pending, then waits for input and appends it. The buffer must have room; a
 * consumed beginning is reused. Anything but STREAM_OK means that no byte was added. */
enum stream_result stream_fill(struct stream *stream);

/* Overwrites what the input buffer holds of what was consumed: it was a password. */
void stream_wipe(struct stream *stream);

/* Adds LENGTH bytes (at most STREAM_OUTPUT_SIZE) to the output. A failure shows at the next
 * stream_fill. */
void stream_put(struct stream *stream, char const *bytes, size_t length);

/* Writes what is pending. False when the client cannot be written to any more. */
bool stream_flush(struct stream *stream);

/* What the client has said that was not read yet: STREAM_OK: something. STREAM_TIMEOUT: nothing.
 * STREAM_END, STREAM_LOST: nothing, and nothing will come. */
enum stream_result stream_peek(struct stream const *stream);

/* Goes on with the descriptors FROM and TO, which it owns, in place of the connection, which is
 * closed; what is in the buffers is dropped. Deadline and count of the session go on. */
void stream_switch(struct stream *stream, int from, int to);

/* Waits for EVENTS (poll's) on another DESCRIPTOR, within the session's deadline. STREAM_OK: they
 * are there. */
enum stream_result stream_wait(struct stream *stream, int descriptor, short events,
                               int64_t milliseconds);

/* Waits without reading, for the delay before an answer to a client that makes many errors. */
enum stream_result stream_pause(struct stream *stream, int64_t milliseconds);

/* Says the end, and takes what the client still sends for at most a second: closing with unread
 * input would reset the connection, and the client might never see the last reply. */
void stream_linger(struct stream *stream);

/* Writes what is pending. Where somebody else may hold the connection open (SHARED) it is shut down
 * as well: the client must not wait for the end. */
void stream_end(struct stream *stream);

#endif
