/* Command lines out of the stream.
 *
 * A line ends in CRLF and in nothing else (RFC 5321 2.3.8). A line that is none gives one result at
 * once; everything up to and including the next CRLF is then skipped silently, in bounded memory,
 * so that client and server stay in step and no part of such a line is ever run as a command. */
#ifndef EKIDEN_INPUT_H
#define EKIDEN_INPUT_H

#include <stddef.h>

#include "smtpd/stream.h"

enum input_result {
    INPUT_LINE,    /* a command line */
    INPUT_BARE_CR, /* 500 5.5.2; with this and the next three *line and *length are its beginning */
    INPUT_BARE_LF, /* 500 5.5.2 */
    INPUT_NUL,     /* 500 5.5.2 */
    INPUT_TOO_LONG, /* 500 5.5.2 (AUTH: 5.5.6) */
    INPUT_FOREIGN,  /* begins with a control or 8-bit octet: not SMTP (RFC 5321 4.1.1); close */
    INPUT_STREAM    /* no more lines: *stream says why */
};

/* The longest line, in octets with its CRLF, that may begin with these LENGTH bytes; asked when a
 * line grows beyond INPUT_LINE_MIN. */
typedef size_t input_limit_func(char const *line, size_t length);

#define INPUT_LINE_MIN 512 /* RFC 5321 4.5.3.1.4: every command may be that long, with CRLF */

struct input {
    struct stream *stream;
    input_limit_func *limit;
    size_t scanned; /* bytes of the line at stream->start that were looked at */
    bool skipping;  /* after a defect, until CRLF */
    bool after_cr;  /* while skipping: the last byte was CR */
    bool answer;    /* what is read is no command but an answer: any octet may begin it */
};

void input_start(struct input *input, struct stream *stream, input_limit_func *limit);

/* The next line. On INPUT_LINE *line points to *length bytes without CRLF in the stream's buffer,
 * valid until the next call; the bytes are consumed. On INPUT_STREAM *ended says why. */
enum input_result input_next(struct input *input, char const **line, size_t *length,
                             enum stream_result *ended);

/* The same for a line that is no command but the answer to a question of ours (RFC 4954 4), under
 * another LIMIT; any octet may begin it. */
enum input_result input_next_answer(struct input *input, input_limit_func *limit, char const **line,
                                    size_t *length, enum stream_result *ended);

#endif
