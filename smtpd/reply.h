/* A reply as a value: number, enhanced status code, text. It travels from where a thing is decided
 * to where it is said; only there does it become a line of the wire. */
#ifndef EKIDEN_REPLY_H
#define EKIDEN_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "smtpd/stream.h"

#define REPLY_TEXT_MAX 400 /* with number, status and CRLF below RFC 5321 4.5.3.1.5's 512 */

struct reply {
    unsigned int number; /* 200..599 */
    char const *status;  /* RFC 3463 code, a constant; 0 where RFC 2034 wants none */
    size_t length;
    char text[REPLY_TEXT_MAX + 1]; /* printable ASCII, NUL-terminated */
};

/* Makes a reply of constant words. TEXT is cut to fit and sanitised as all text is. */
void reply_make(struct reply *reply, unsigned int number, char const *status, char const *text);

/* Appends words, with everything but printable ASCII as ?. */
void reply_add(struct reply *reply, char const *text);

/* Adds the reply's line to the output; MORE marks a line that others follow (`250-`). */
void reply_send(struct reply const *reply, struct stream *stream, bool more);

/* reply_make and reply_send in one. */
void reply_send_text(struct stream *stream, unsigned int number, char const *status,
                     char const *text, bool more);

#endif
