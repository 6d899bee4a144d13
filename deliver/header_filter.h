/* The header on its way into a mailbox: every Return-Path field is left out (RFC 5321 4.4: final
 * delivery adds the one that counts), and a Delivered-To field that names this recipient is noticed
 * (the message was here before: a loop). Nothing else is changed. lib/header_scan.h says what the
 * header is. */
#ifndef EKIDEN_HEADER_FILTER_H
#define EKIDEN_HEADER_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/header_scan.h"

#define HEADER_FILTER_HELD_MAX HEADER_SCAN_HELD_MAX

struct header_filter {
    char const *recipient; /* as it stands in Delivered-To; the caller's */
    size_t recipient_length;
    bool in_body; /* the empty line was passed: what follows need not come here any more */
    bool loop;    /* Delivered-To names the recipient */
    bool differs; /* the Delivered-To that is being read does not */
    bool begun;   /* its value has */
    size_t matched;
    char *out;
    size_t used;
    struct header_scan scan; /* the last: touched only as far as used */
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
