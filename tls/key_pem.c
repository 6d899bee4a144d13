#include "tls/key_pem.h"

#include <stdlib.h>
#include <string.h>

#include <bearssl.h>

/* The names under which certificates and keys come (RFC 7468, OpenSSL's own forms). */
static struct name {
    char const *text;
    enum key_pem_kind kind;
} const names[] = {
    {"CERTIFICATE", KEY_PEM_CERTIFICATE}, {"X509 CERTIFICATE", KEY_PEM_CERTIFICATE},
    {"PRIVATE KEY", KEY_PEM_KEY},         {"RSA PRIVATE KEY", KEY_PEM_KEY},
    {"EC PRIVATE KEY", KEY_PEM_KEY},      {"ENCRYPTED PRIVATE KEY", KEY_PEM_ENCRYPTED},
};

/* NAME is the rest of the line behind BEGIN; where that ends in CR LF its dashes are still there.
 */
static enum key_pem_kind find_kind(char const *name)
{
    size_t const length = strcspn(name, "-\r");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i].text) == length && !memcmp(names[i].text, name, length))
            return names[i].kind;
    return KEY_PEM_OTHER;
}

/* DER is shorter than its base64, so there is room for all of it. */
static void append(void *context, void const *bytes, size_t length)
{
    struct key_pem *const pem = context;
    if (length > pem->space - pem->length)
        length = pem->space - pem->length;
    memcpy(pem->bytes + pem->length, bytes, length);
    pem->length += length;
}

static bool begin(struct key_pem *pem, br_pem_decoder_context *decoder)
{
    if (pem->count == KEY_PEM_OBJECTS_MAX)
        return false;
    pem->objects[pem->count] = (struct key_pem_object){
        .kind = find_kind(br_pem_decoder_name(decoder)), .bytes = pem->bytes + pem->length};
    br_pem_decoder_setdest(decoder, append, pem);
    return true;
}

static bool end(struct key_pem *pem)
{
    struct key_pem_object *const object = pem->objects + pem->count++;
    object->length = (size_t)(pem->bytes + pem->length - object->bytes);
    return object->length > 0;
}

/* Decodes a piece. *inside: an object began that has not ended. */
static enum key_pem_result decode(struct key_pem *pem, br_pem_decoder_context *decoder,
                                  bool *inside, char const *text, size_t length)
{
    while (length) {
        size_t const used = br_pem_decoder_push(decoder, text, length);
        text += used;
        length -= used;
        switch (br_pem_decoder_event(decoder)) {
        case BR_PEM_BEGIN_OBJ:
            *inside = true;
            if (!begin(pem, decoder))
                return KEY_PEM_TOO_MANY;
            break;
        case BR_PEM_END_OBJ:
            *inside = false;
            if (!end(pem))
                return KEY_PEM_BROKEN;
            break;
        case BR_PEM_ERROR:
            return KEY_PEM_BROKEN;
        default:
            break;
        }
    }
    return KEY_PEM_OK;
}

enum key_pem_result key_pem_decode(struct key_pem *pem, char const *text, size_t length)
{
    br_pem_decoder_context decoder;
    bool inside = false;
    *pem = (struct key_pem){.space = length + 1};
    pem->bytes = malloc(pem->space);
    if (!pem->bytes)
        return KEY_PEM_NO_MEMORY;
    br_pem_decoder_init(&decoder);
    enum key_pem_result result = decode(pem, &decoder, &inside, text, length);
    if (result == KEY_PEM_OK)
        result = decode(pem, &decoder, &inside, "\n", 1); /* the last line may lack its end */
    if (result == KEY_PEM_OK && inside)
        result = KEY_PEM_BROKEN;
    explicit_bzero(&decoder, sizeof decoder);
    if (result != KEY_PEM_OK)
        key_pem_free(pem);
    return result;
}

void key_pem_free(struct key_pem *pem)
{
    if (pem->bytes)
        explicit_bzero(pem->bytes, pem->space);
    free(pem->bytes);
    *pem = (struct key_pem){.bytes = NULL};
}
