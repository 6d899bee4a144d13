/* The way of a report into its queue file, in the encoding of the part at hand. */
#ifndef EKIDEN_BOUNCE_WRITER_H
#define EKIDEN_BOUNCE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/queue_file.h"

#define BOUNCE_LINE_BEST 78 /* columns: RFC 5322 2.1.1 */

struct bounce_writer {
    struct queue_file *file; /* keeps the first failure, so that writes need not be checked */
    uint64_t written;        /* bytes of the message so far */
    bool encoding;           /* quoted-printable (RFC 2045 6.7) */
    char blank;              /* a blank that waits for what follows it; 0: none */
    size_t column;           /* of the encoded line */
};

void bounce_writer_start(struct bounce_writer *writer, struct queue_file *file);

/* From here on bytes are encoded as quoted-printable, or no longer. Both are called at the start of
 * a line. What is encoded holds no line that begins with a boundary: `=` becomes `=3D`. */
void bounce_writer_encode(struct bounce_writer *writer, bool encoding);

/* Writes bytes, lines ending in LF. */
void bounce_put(struct bounce_writer *writer, char const *bytes, size_t length);
void bounce_puts(struct bounce_writer *writer, char const *text);
void bounce_put_number(struct bounce_writer *writer, uint64_t value);

/* Writes TEXT and an LF, in lines of at most BOUNCE_LINE_BEST columns where its blanks allow it and
 * of at most 900 bytes in any case. The first line begins at COLUMN, where the caller has written
 * to; the others begin with INDENT. */
void bounce_put_folded(struct bounce_writer *writer, char const *text, size_t column,
                       char const *indent);

#endif
