/* `>From ` quoting on the way into an mbox: every line that is `From ` after any number of `>` gets
 * one `>` more, as qmail-local does it, so that it can be taken back (mbox(5), "mboxrd").
 *
 * Bytes come in pieces of any size; memory is the struct. */
#ifndef EKIDEN_MBOX_QUOTE_H
#define EKIDEN_MBOX_QUOTE_H

#include <stdbool.h>
#include <stddef.h>

#define MBOX_QUOTE_HELD_MAX 5 /* `From ` */

struct mbox_quote {
    unsigned int matched; /* bytes of `From ` that are held */
    bool at_start;        /* nothing but `>` came since the last LF */
    bool line_open;       /* the last byte was no LF */
};

void mbox_quote_start(struct mbox_quote *quote);

/* Passes LENGTH bytes on to OUT, which has room for mbox_quote_room(LENGTH) bytes and does not
 * overlap. Returns how many bytes it wrote. */
size_t mbox_quote_pass(struct mbox_quote *quote, char const *bytes, size_t length, char *out);
#define mbox_quote_room(length) ((length) + (length) / 5 + MBOX_QUOTE_HELD_MAX + 1)

/* The message ends here. Writes what was held, the LF that the last line lacks, and the empty line
 * that stands behind each message to OUT (room: MBOX_QUOTE_HELD_MAX + 2). Returns the length. */
size_t mbox_quote_end(struct mbox_quote *quote, char *out);

#endif
