/* Hashes of passwords, as libcrypt has them. */
#ifndef EKIDEN_HASH_H
#define EKIDEN_HASH_H

#include <stdbool.h>
#include <stddef.h>

#include <crypt.h>

#define HASH_MAX     CRYPT_OUTPUT_SIZE /* bytes of a hash with its NUL */
#define PASSWORD_MAX 400               /* bytes of one that is set; a checked one may have 509 */

/* What takes as long as a new hash of ekiden-passwd: for users who do not exist, where there is no
 * hash to go by. */
#define HASH_DUMMY "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$tnSYvahCwPBHKZUspmcxMfb0.WiB9W.zEaKlOBL35rC"

/* Why a hash is not accepted, NULL when it is. Only kinds that take their time: DES and MD5, which
 * can be guessed by the billion, are refused, and so is what is no hash at all. HASH has LENGTH
 * bytes and may point anywhere. */
char const *hash_refusal(char const *hash, size_t length);

/* The name of the kind of HASH, for people: `yescrypt`. */
char const *hash_kind(char const *hash, size_t length);

enum hash_result {
    HASH_RIGHT,
    HASH_WRONG,
    HASH_FAILED /* errno: no memory within the limit (ENOMEM), or libcrypt refuses the hash */
};

/* Computes the hash of PASSWORD as HASH was made and compares the two in a time that does not
 * depend on where they differ. What it computed is wiped. */
enum hash_result hash_check(char const *password, char const *hash);

/* A new hash of PASSWORD by yescrypt, at libcrypt's own cost, with a new salt. False: errno. */
bool hash_make(char hash[HASH_MAX], char const *password);

/* True when the LENGTH bytes at A and B are equal; looks at all of them. */
bool hash_equal(char const *a, char const *b, size_t length);

#endif
