/* The bytes of a message, from the wire's form to lines that end in LF: those after DATA (RFC 5321
 * 4.5.2), and those in the chunks of BDAT (RFC 3030), whose end their sizes say.
 *
 * A state machine over (state, class of byte). After DATA only CRLF.CRLF ends the message (2.3.8);
 * in chunks a dot means nothing. A bare CR, a bare LF or a NUL anywhere is a defect of the whole
 * message, is remembered, and never makes a line's beginning: so no other mail system's idea of a
 * line end can be smuggled in. */
#ifndef EKIDEN_DATA_H
#define EKIDEN_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DATA_BARE_CR = 1, DATA_BARE_LF = 2, DATA_NUL = 4 }; /* defects, a set */

enum data_form { DATA_DOTTED, DATA_CHUNKS };

struct data {
    unsigned int state;
    unsigned int defects;
    uint64_t size; /* octets of the message as RFC 1870 counts: CRLF for a line end, no stuffing */
};

void data_start(struct data *data, enum data_form form);

/* Decodes up to LENGTH bytes in place: the result is never longer than its source and stands at
 * BYTES, *produced long. *used says how many bytes were taken: all of them, or up to and including
 * the end of the message. True at the end, which chunks have none of: what is one chunk and what
 * the next makes no difference. After a defect what is produced means nothing. */
bool data_decode(struct data *data, char *bytes, size_t length, size_t *used, size_t *produced);

/* The end of the last chunk. A last line without CRLF gets it, for a message is lines (RFC
 * 5322 2.1) and after DATA it could not be without: 1 and the LF in *byte. 0 where nothing is
 * missing. */
size_t data_finish(struct data *data, char *byte);

#endif
