/* The Received field (RFC 5321 4.4; RFC 3848 and 6531 4.3 for the keyword), folded, LF line ends.
 */
#ifndef EKIDEN_RECEIVED_H
#define EKIDEN_RECEIVED_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include <skalibs/ip46.h>
#include <skalibs/stralloc.h>

struct received {
    char const *helo; /* as the client said it; any bytes: made safe here */
    size_t helo_length;
    ip46 const *remote; /* 0 when the client has no address */
    char const *me;
    char const *id; /* empty: left out */
    bool extended, smtputf8, encrypted, authenticated;
    char const *tls_version, *tls_suite; /* of an encrypted session; may be empty, never 0 */
    char const *recipient;               /* the only one, unquoted; 0 when there are more */
    size_t recipient_length;
    time_t when;
};

/* Appends the field. False when out of memory. */
bool received_format(stralloc *out, struct received const *received);

#endif
