/* Bounce Address Tag Validation, draft-levine-smtp-batv-01, its `prvs` form: our users' mail leaves
 * under a sender that is signed, so what comes back to it is told from what comes back to mail that
 * somebody else has sent in their name.
 *
 *   local@domain   becomes   prvs=KDDDSSSSSS=local@domain
 * K is the number of the key, one digit: 0 here, for which key it was is found by trying them (so
 * that a new one can be put before the old); DDD the last three digits of the day (since 1970, UTC)
 * on which the signature ends; SSSSSS in hexadecimal digits the first three octets of the
 * HMAC-SHA-1 of K, DDD and the address. The address is hashed in lower case, for systems on the way
 * may change it; but for that, Exim's `prvs` with the same key makes the same. */
#ifndef EKIDEN_BATV_H
#define EKIDEN_BATV_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "lib/address.h"
#include "lib/secret_keys.h"

#define BATV_DAYS        7 /* for so long a signature is good, as in Exim */
#define BATV_DAYS_BEFORE 1 /* another host's clock may have begun the next day */
#define BATV_TAG_LENGTH  16
#define BATV_SIZE        (ADDRESS_MAX + 1)

/* True for an address (unquoted as in the envelope) that can carry a signature: a local part in
 * front of a domain's name, which with it has at most the 64 octets that it may have, and holds no
 * `=`. A `=` is in local parts that stand for another address (VERP, SRS) or are signed already;
 * they are written by programs, which expect to find them again as they wrote them. */
bool batv_fits(char const *address, size_t length);

/* Writes ADDRESS, for which batv_fits, signed at NOW with the first of KEYS, of which there is one.
 */
void batv_sign(char out[BATV_SIZE], struct secret_keys const *keys, char const *address,
               size_t length, time_t now);

/* True when the local part begins like a signed one's, in letters of either case. */
bool batv_is_tagged(char const *local, size_t length);

enum batv_result {
    BATV_OK,     /* the address proper stands behind the first BATV_TAG_LENGTH bytes */
    BATV_FORM,   /* it is not made by us or our like */
    BATV_FORGED, /* no key fits */
    BATV_EXPIRED /* a key fits, and it is too old, or of the future */
};

/* True when ADDRESS has the form of a signed one, whoever signed. */
bool batv_has_form(char const *address, size_t length);

/* Judges ADDRESS, unquoted as in the envelope. */
enum batv_result batv_check(struct secret_keys const *keys, char const *address, size_t length,
                            time_t now);

#endif
