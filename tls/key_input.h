/* What an engine may have signed: the parameters of one ECDHE key exchange (RFC 5246 7.4.3, RFC
 * 8422 5.4), and nothing else. */
#ifndef EKIDEN_KEY_INPUT_H
#define EKIDEN_KEY_INPUT_H

#include <stdbool.h>
#include <stddef.h>

enum key_type { KEY_RSA = 1, KEY_EC = 3 }; /* as TLS 1.2 numbers signatures */

#define KEY_INPUT_MAX 165 /* bytes: two randoms, curve, the point of P-384 */

/* True for LENGTH bytes that are client_random (32), server_random (32), named_curve of X25519,
 * P-256 or P-384, and a point of exactly its length, uncompressed where there is such a form. */
bool key_input_is_exchange(unsigned char const *bytes, size_t length);

/* Of an ALGORITHM (SignatureAndHashAlgorithm, RFC 5246 7.4.1.4.1) the hash: br_sha256_ID,
 * br_sha384_ID or br_sha512_ID; 0 when it is another one, or the signature is not TYPE's. */
int key_input_hash(unsigned int algorithm, enum key_type type);

#endif
