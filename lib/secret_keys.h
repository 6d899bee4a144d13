/* Keys that sign addresses, and the sum that they sign with: HMAC-SHA-1 of a text in lower case
 * (ASCII), for mail systems on the way may change the case of an address. */
#ifndef EKIDEN_SECRET_KEYS_H
#define EKIDEN_SECRET_KEYS_H

#include <stddef.h>

#include <bearssl.h>

/* Strings, one behind the other, each with its NUL. The first signs, all are good. */
struct secret_keys {
    char const *bytes;
    size_t size; /* 0: there is none */
};

/* A piece of the text that is signed. */
struct secret_part {
    char const *bytes;
    size_t length;
};

#define SECRET_SUM_SIZE br_sha1_SIZE

/* Writes the sum of PARTS, one behind the other, by KEY. */
void secret_sum(unsigned char sum[SECRET_SUM_SIZE], char const *key,
                struct secret_part const *parts, size_t count);

/* The byte in lower case. */
unsigned char secret_lower(char byte);

#endif
