#include "auth/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define METHOD "$y$"

static struct kind {
    char const *prefix, *name;
    bool accepted;
} const kinds[] = {
    {"$y$", "yescrypt", true},     {"$gy$", "gost-yescrypt", true}, {"$7$", "scrypt", true},
    {"$2b$", "bcrypt", true},      {"$2y$", "bcrypt", true},        {"$2a$", "bcrypt", true},
    {"$6$", "sha512-crypt", true}, {"$5$", "sha256-crypt", true},   {"$1$", "MD5", false},
    {"$md5", "MD5", false},        {"$apr1$", "MD5", false},        {"$3$", "NTHASH", false},
    {"$sha1", "SHA1", false},      {"$", "an unknown kind", false}, {"!", "disabled", false},
    {"*", "disabled", false},      {"{", "an LDAP kind", false},    {"", "DES", false},
};

static struct kind const *find(char const *hash, size_t length)
{
    struct kind const *kind = kinds;
    for (;; kind++) {
        size_t const prefix = strlen(kind->prefix);
        if (length >= prefix && !memcmp(hash, kind->prefix, prefix))
            return kind;
    }
}

char const *hash_kind(char const *hash, size_t length)
{
    return find(hash, length)->name;
}

char const *hash_refusal(char const *hash, size_t length)
{
    if (length == 0)
        return "there is no hash: set a password with ekiden-passwd change";
    if (length >= HASH_MAX)
        return "the hash is longer than any";
    for (size_t i = 0; i < length; i++)
        if (hash[i] <= ' ' || hash[i] > '~' || hash[i] == ':')
            return "a hash holds no blanks, colons or control characters";
    struct kind const *const kind = find(hash, length);
    if (kind->accepted)
        return NULL;
    if (*hash == '!' || *hash == '*')
        return "this login is disabled";
    return "the hash is of a kind that is not accepted (DES, MD5 and others that can be guessed "
           "fast): set the password again with ekiden-passwd change";
}

bool hash_equal(char const *a, char const *b, size_t length)
{
    unsigned char volatile difference = 0;
    for (size_t i = 0; i < length; i++)
        difference = (unsigned char)(difference | (a[i] ^ b[i]));
    return difference == 0;
}

enum hash_result hash_check(char const *password, char const *hash)
{
    static struct crypt_data data;
    enum hash_result result = HASH_FAILED;
    errno = 0;
    char const *const made = crypt_rn(password, hash, &data, sizeof data);
    if (made) {
        size_t const length = strlen(made);
        result = length == strlen(hash) && hash_equal(made, hash, length) ? HASH_RIGHT : HASH_WRONG;
    }
    int const saved = errno;
    explicit_bzero(&data, sizeof data);
    errno = saved;
    return result;
}

bool hash_make(char hash[HASH_MAX], char const *password)
{
    static struct crypt_data data;
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    if (!crypt_gensalt_rn(METHOD, 0, NULL, 0, setting, sizeof setting))
        return false;
    char const *const made = crypt_rn(password, setting, &data, sizeof data);
    if (made)
        memcpy(hash, made, strlen(made) + 1);
    int const saved = errno;
    explicit_bzero(&data, sizeof data);
    errno = saved;
    return made != NULL;
}
