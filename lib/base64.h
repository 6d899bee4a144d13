/* Base64 (RFC 4648 4), strictly: as SASL sends it over SMTP (RFC 4954 4). */
#ifndef EKIDEN_BASE64_H
#define EKIDEN_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* Octets that LENGTH octets of text decode to at most, and characters that LENGTH octets become. */
#define BASE64_DECODED_MAX(length) ((length) / 4 * 3)
#define BASE64_ENCODED(length)     (((length) + 2) / 3 * 4)

/* Decodes LENGTH characters into OUT, which has room for BASE64_DECODED_MAX(length) and may be TEXT
 * itself. False unless it is canonical: a multiple of four, no blank, `=` only at the end, unused
 * bits zero. */
bool base64_decode(unsigned char *out, size_t *out_length, char const *text, size_t length);

/* Writes BASE64_ENCODED(length) characters to OUT, without a NUL. */
void base64_encode(char *out, unsigned char const *bytes, size_t length);

#endif
