/* The header on its way into a mailbox: every Return-Path field is left out (RFC 5321 4.4: final
 * delivery adds the one that counts), and a Delivered-To field that names this recipient is noticed
 * (the message was here before: a loop).
 *
 * Nothing else is changed. Bytes come in pieces of any size and memory is the struct, whatever the
 * length of a line or of the header. The header ends at the first empty line only: a line that is
 * no field does not end it, because some readers of mail go on to the fields after it as well. */
#ifndef EKIDEN_HEADER_FILTER_H
#define EKIDEN_HEADER_FILTER_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes that may wait for what follows: `Return-Path` and the blanks before its colon (RFC 5322
 * 4.5.8). More blanks than a line of RFC 5322 can hold make it no field. */
#define HEADER_FILTER_HELD_MAX 1024

struct header_filter {
    char const *recipient; /* as it stands in Delivered-To; the caller's */
    size_t recipient_length;
    bool in_body; /* the empty line was passed: what follows need not come here any more */
    bool loop;    /* Delivered-To names the recipient */
    unsigned char state, field, name;
    size_t matched; /* bytes of the name, or of the recipient */
    size_t held_length;
    char held[HEADER_FILTER_HELD_MAX];
};

void header_filter_start(struct header_filter *filter, char const *recipient, size_t length);

/* Passes LENGTH bytes on to OUT, which has room for LENGTH + HEADER_FILTER_HELD_MAX bytes and does
 * not overlap. Returns how many bytes it wrote. */
size_t header_filter_pass(struct header_filter *filter, char const *bytes, size_t length,
                          char *out);

/* The message ends here. Writes what was held to OUT (room: HEADER_FILTER_HELD_MAX bytes) and
 * returns its length. LOOP is final from here on, or from in_body on. */
size_t header_filter_end(struct header_filter *filter, char *out);

#endif
