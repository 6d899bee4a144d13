/* The Sender Rewriting Scheme: a message that we forward goes under a sender of ours, so that a
 * server that asks whether the sender's domain lets us send (SPF, RFC 7208) is content; and what is
 * sent back to that address goes on to the sender.
 *
 *   user@host                     becomes SRS0=HASH=TIME=host=user@domain
 *   SRS0=REST@first               becomes SRS1=HASH=first==REST@domain
 *   SRS1=...=first==REST@second   becomes SRS1=HASH=first==REST@domain
 * (of an SRS1 it comes back to `first`, which made the SRS0, however many hosts are between). HASH
 * is the first characters of the base64 of an HMAC-SHA-1 of what follows it, without the `=` and in
 * lower case; TIME the day in two digits of base 32. So do libsrs2, postsrsd and Mail::SRS: hosts
 * that share a key understand each other, whichever they run.
 *
 * The hash is short and, since the parts are hashed without what divides them, says nothing of
 * where `host` ends: who has mail forwarded to himself from a domain `gmail.co` could have it come
 * back to a user of `gmail.com`. That is the scheme; it ends with the address's age. */
#ifndef EKIDEN_SRS_H
#define EKIDEN_SRS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "lib/address.h"
#include "lib/secret_keys.h"

#define SRS_DAYS        21 /* for so long an address is good, as in libsrs2 */
#define SRS_DAYS_BEFORE 1  /* two hosts' days need not begin at once */
#define SRS_HASH_LENGTH 4  /* characters; no shorter one is accepted */
#define SRS_SIZE        (ADDRESS_MAX + 1)

/* Writes the address under which mail of SENDER, an unquoted address, is forwarded from DOMAIN at
 * NOW. False, and it goes under its own: for the null sender, one without a domain or with an
 * address literal, without a key, and where the address would be longer than a path may be. */
bool srs_forward(char out[SRS_SIZE], struct secret_keys const *keys, char const *sender,
                 char const *domain, time_t now);

enum srs_result {
    SRS_OK,
    SRS_FORM,   /* it is not made by us or our like */
    SRS_FORGED, /* no key fits */
    SRS_EXPIRED /* a key fits, and it is too old, or of the future */
};

/* Writes to whom mail for LOCAL goes, an unquoted local part for which address_is_rewritten. */
enum srs_result srs_reverse(char out[SRS_SIZE], struct secret_keys const *keys, char const *local,
                            size_t length, time_t now);

#endif
