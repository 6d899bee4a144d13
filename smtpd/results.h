/* What was found out about who sent a message, in header fields: Authentication-Results (RFC 8601)
 * and a Received-SPF for each identity (RFC 7208 9.1), folded, LF line ends. They stand above our
 * Received field and so above all that came with the message.
 *
 * Names and senders are strangers' words. What is no plain word stands in quotes; what is neither
 * printable ASCII nor, in a message by SMTPUTF8 (RFC 8616), UTF-8 becomes `?`. */
#ifndef EKIDEN_RESULTS_H
#define EKIDEN_RESULTS_H

#include <stdbool.h>
#include <stddef.h>

#include <skalibs/ip46.h>
#include <skalibs/stralloc.h>

#include "smtpd/spf_identities.h"

struct results {
    char const *me; /* the authserv-id */
    ip46 const *remote;
    struct spf_identities const *spf; /* those that are known are written */
    /* The client's reverse name (RFC 8601 3): a result's word; 0 when nobody judged that. */
    char const *iprev;
    char const *name; /* the name that iprev has confirmed; empty: none */
    bool smtputf8;
};

/* Appends the fields; none where nothing was found out. False when out of memory. */
bool results_format(stralloc *out, struct results const *results);

/* Appends BYTES as a value of these fields: a word, or a quoted string. False when out of memory.
 * For the tests. */
bool results_add_value(stralloc *out, char const *bytes, size_t length, bool utf8);

#endif
