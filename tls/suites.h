/* The cipher suites that are offered, and their names. */
#ifndef EKIDEN_SUITES_H
#define EKIDEN_SUITES_H

#include <stddef.h>
#include <stdint.h>

#include <bearssl.h>

/* The name that OpenSSL has for SUITE, as logs and Received fields have it; "unknown" for one that
 * no engine of ours negotiates. */
char const *suite_name(uint16_t suite);

/* ECDHE with AEAD in our order of preference, for keys of both kinds: AES first where the processor
 * computes it, else ChaCha20, which is as safe and then much faster. */
#define SUITES_AEAD 6
void suites_aead(uint16_t suites[SUITES_AEAD]);

/* The hash of SUITE's PRF, br_sha256_ID or br_sha384_ID; 0 unless it is one of those. */
int suite_hash(uint16_t suite);

#endif
