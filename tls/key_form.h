/* What kind of private key some DER is, told by its form alone and before BearSSL decodes it: its
 * decoder (0.6) writes beyond its buffer when a number in the key is too long. */
#ifndef EKIDEN_KEY_FORM_H
#define EKIDEN_KEY_FORM_H

#include <stddef.h>

#define KEY_RSA_BITS_MIN 2048
#define KEY_RSA_BITS_MAX 4096

enum key_form {
    KEY_FORM_RSA,       /* of 2048 to 4096 bits, two primes of fitting size */
    KEY_FORM_EC,        /* P-256 or P-384 */
    KEY_FORM_RSA_SMALL, /* below 2048 bits */
    KEY_FORM_RSA_LARGE, /* above 4096 bits, or with a number in it that does not fit such a key */
    KEY_FORM_OTHER_CURVE,
    KEY_FORM_OTHER_KIND, /* Ed25519, RSA with more than two primes, DSA, ... */
    KEY_FORM_ENCRYPTED,  /* needs a passphrase */
    KEY_FORM_BROKEN      /* no private key, or half of one */
};

/* LENGTH bytes of PKCS#8 (RFC 5208, 5958), of RSAPrivateKey (RFC 8017 A.1.2) or of ECPrivateKey
 * (RFC 5915), to the last one. */
enum key_form key_form(unsigned char const *bytes, size_t length);

#endif
