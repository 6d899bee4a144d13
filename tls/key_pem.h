/* PEM (RFC 7468): the form of chain.pem and key.pem. */
#ifndef EKIDEN_KEY_PEM_H
#define EKIDEN_KEY_PEM_H

#include <stdbool.h>
#include <stddef.h>

#define KEY_PEM_TEXT_MAX    (64u << 10) /* bytes of a file */
#define KEY_PEM_OBJECTS_MAX 16

enum key_pem_kind { KEY_PEM_CERTIFICATE, KEY_PEM_KEY, KEY_PEM_ENCRYPTED, KEY_PEM_OTHER };

enum key_pem_result {
    KEY_PEM_OK,
    KEY_PEM_BROKEN,   /* not base64, or something that ends before its END line */
    KEY_PEM_TOO_MANY, /* more than KEY_PEM_OBJECTS_MAX */
    KEY_PEM_NO_MEMORY
};

struct key_pem {
    unsigned char *bytes; /* owned: the DER of all objects, one behind the other */
    size_t length, space;
    struct key_pem_object {
        enum key_pem_kind kind;
        unsigned char *bytes; /* in the above */
        size_t length;
    } objects[KEY_PEM_OBJECTS_MAX];
    size_t count;
};

/* Decodes LENGTH bytes of TEXT (at most KEY_PEM_TEXT_MAX). What stands between objects does not
 * count, an object without content is broken. Unless KEY_PEM_OK nothing is owned. */
enum key_pem_result key_pem_decode(struct key_pem *pem, char const *text, size_t length);

/* Overwrites and frees. */
void key_pem_free(struct key_pem *pem);

#endif
