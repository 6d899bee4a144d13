/* A certificate chain and the key of its first certificate, checked, decoded, and able to sign. */
#ifndef EKIDEN_KEY_PAIR_H
#define EKIDEN_KEY_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <bearssl.h>

#include "tls/key_input.h"
#include "tls/key_pem.h"

#define KEY_SIGNATURE_MAX 512 /* bytes: RSA with 4096 bits */

struct key_pair {
    enum key_type type;
    unsigned int size;           /* bits: 256 or 384 of the curve, or the modulus */
    struct key_pem chain;        /* nothing but certificates, the first is the key's */
    time_t begins, ends;         /* when the first one is valid */
    br_skey_decoder_context key; /* secret */
};

/* What is wrong, for the operator. */
struct key_problem {
    char const *file; /* "chain.pem" or "key.pem" */
    char const *what; /* constant text */
    char const *hint; /* constant text: what to do */
};

/* Makes a pair of the texts of chain.pem and key.pem. Checks form and size of the key before it is
 * decoded, that the chain is certificates, and by a signature that is verified that the key is the
 * first one's. The dates are the caller's to look at: they change without a change of the files.
 * False: PROBLEM says what is wrong, nothing is owned. */
bool key_pair_make(struct key_pair *pair, char const *chain, size_t chain_length, char const *key,
                   size_t key_length, struct key_problem *problem);

/* Signs the hash of INPUT (key_input_is_exchange) by ALGORITHM. Returns the length of SIGNATURE, 0
 * when that is no algorithm for this key. */
size_t key_pair_sign(struct key_pair const *pair, unsigned int algorithm,
                     unsigned char const *input, size_t length,
                     unsigned char signature[KEY_SIGNATURE_MAX]);

/* Overwrites and frees. */
void key_pair_free(struct key_pair *pair);

#endif
