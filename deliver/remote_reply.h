/* Replies of an SMTP server (RFC 5321 4.2), one byte after another, in memory that never grows.
 *
 *   reply = *( code "-" [text] CRLF ) code [ blank text ] CRLF
 *
 * Taken leniently, because nothing can be misread: a code without text (`250`, also `250-`), a tab
 * for the blank, LF without CR, any byte in the text (what is not printable ASCII is kept as `?`).
 * REMOTE_REPLY_BAD, since nobody knows what was meant: a code that is not three digits of which the
 * first is 2 to 5 (`25`, `000`, `999`, `-1`), anything but blank, `-` or the end of the line after
 * it (`2500`, `250x`), lines of one reply with different codes, an empty line, and what is beyond
 * the bounds below. */
#ifndef EKIDEN_REMOTE_REPLY_H
#define EKIDEN_REMOTE_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "deliver/job.h"

#define REMOTE_REPLY_LINE_MAX   4096        /* octets of a line; RFC 5321 4.5.3.1.5 has 512 */
#define REMOTE_REPLY_LINES_MAX  1000        /* lines of a reply */
#define REMOTE_REPLY_OCTETS_MAX (64u << 10) /* octets of a reply, line ends included */
#define REMOTE_REPLY_KEPT_MAX   512         /* octets of a line that can be looked at */
#define REMOTE_REPLY_CODE_MAX   9           /* octets of an enhanced code: 5.123.456 */

enum remote_reply_state {
    REMOTE_REPLY_MORE, /* all bytes are taken, the reply goes on */
    REMOTE_REPLY_LINE, /* a line that is not the last has ended: reply->line */
    REMOTE_REPLY_DONE, /* the last line has ended: reply->line, code, enhanced, text */
    REMOTE_REPLY_BAD   /* no reply: reply->line is how the line began */
};

struct remote_reply {
    unsigned int code; /* 200 to 599 */
    /* The enhanced status code (RFC 2034) at the start of the text, when it is one and its class is
     * that of the code; else empty. */
    char enhanced[REMOTE_REPLY_CODE_MAX + 1];
    char text[JOB_TEXT_MAX + 1]; /* of all lines, printable, one blank between them; cut */
    size_t text_length;
    char line[REMOTE_REPLY_KEPT_MAX + 1]; /* the current line as `text` has it, with its code */
    size_t line_length;
    unsigned char state;
    bool last, after_cr;
    unsigned int line_code, lines;
    size_t line_octets, octets;
};

/* Begins a reply. */
void remote_reply_start(struct remote_reply *reply);

/* Takes up to LENGTH bytes; *used says how many: less than LENGTH when a line or the reply ended,
 * the rest is of the next. After DONE or BAD remote_reply_start must come first. */
enum remote_reply_state remote_reply_take(struct remote_reply *reply, char const *bytes,
                                          size_t length, size_t *used);

/* The text of the current line: what follows the code and its blank or `-`. */
char const *remote_reply_line_text(struct remote_reply const *reply);

#endif
