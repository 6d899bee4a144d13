/* A message on its way from the queue file to the wire (RFC 5321 2.3.8, 4.5.2).
 *
 * LF, CR LF and a lone CR each become CR LF: no bare CR or LF ever goes out, whatever was put into
 * the queue, for some receivers take one for a line end and others do not. A dot at the start of a
 * line of the wire, also of one that a lone CR began, is doubled. Lines are never split or joined:
 * a dot can come to the start of a line only where the message has it there. All other bytes go as
 * they are. */
#ifndef EKIDEN_REMOTE_DATA_H
#define EKIDEN_REMOTE_DATA_H

#include <stdbool.h>
#include <stddef.h>

#define REMOTE_DATA_END_MAX 5 /* CR LF . CR LF */

enum remote_data_form {
    REMOTE_DATA_DOTTED, /* after DATA */
    REMOTE_DATA_CHUNKS  /* by BDAT (RFC 3030): no dot is doubled, and none ends it */
};

struct remote_data {
    enum remote_data_form form;
    bool after_cr; /* its CR LF is written; an LF that follows belongs to it */
    bool in_line;  /* the current line of the wire has a byte */
};

void remote_data_start(struct remote_data *data, enum remote_data_form form);

/* Converts the next LENGTH bytes to OUT, which has room for 2 * LENGTH. Returns the length written.
 */
size_t remote_data_encode(struct remote_data *data, char const *bytes, size_t length, char *out);

/* Ends the last line if it is not ended, and the message by a dot where it ends so. OUT has room
 * for REMOTE_DATA_END_MAX. Returns the length written. */
size_t remote_data_end(struct remote_data *data, char *out);

#endif
