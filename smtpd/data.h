/* The bytes after DATA (RFC 5321 4.5.2): from the wire's form to lines that end in LF.
 *
 * A state machine over (state, class of byte). Only CRLF.CRLF ends the message (2.3.8); a bare CR,
 * a bare LF or a NUL anywhere is a defect of the whole message, is remembered, and never makes a
 * line's beginning: so no other mail system's idea of a line end can be smuggled in. */
#ifndef EKIDEN_DATA_H
#define EKIDEN_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DATA_BARE_CR = 1, DATA_BARE_LF = 2, DATA_NUL = 4 }; /* defects, a set */

struct data {
    unsigned int state;
    unsigned int defects;
    uint64_t size; /* octets of the message as RFC 1870 counts: CRLF for a line end, no stuffing */
};

void data_start(struct data *data);

/* Decodes up to LENGTH bytes in place: the result is never longer than its source and stands at
 * BYTES, *produced long. *used says how many bytes were taken: all of them, or up to and including
 * the end of the message. True at the end. After a defect what is produced means nothing. */
bool data_decode(struct data *data, char *bytes, size_t length, size_t *used, size_t *produced);

#endif
