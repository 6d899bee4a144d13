/* Whose certificate TLS asks a server for. RFC 7817 has the names; what an MX record says is a
 * stranger's word, unless the DNS signs it or it stays below the domain. */
#ifndef EKIDEN_REMOTE_IDENTITY_H
#define EKIDEN_REMOTE_IDENTITY_H

#include <stdbool.h>

#include "deliver/failure.h"
#include "deliver/remote_exchangers.h"
#include "deliver/remote_way.h"
#include "tls/tls_request.h"

/* Writes the name for SNI, which with VERIFY the certificate must be for: what the way says with
 * VERIFY, else the host of CANDIDATE; empty for an address. False with *failure (4.7.5), only with
 * VERIFY: there is no name, or it is not known to be one of the domain's: found by MX, neither the
 * domain nor below it, and the look-up not AUTHENTICATED. */
bool remote_identity_choose(char name[TLS_NAME_MAX + 1], struct remote_way const *way,
                            struct remote_candidate const *candidate, bool authenticated,
                            struct failure *failure);

#endif
