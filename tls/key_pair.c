#include "tls/key_pair.h"

#include <string.h>

#include "tls/key_form.h"

#define EPOCH_DAYS      719528 /* of 1 January 1970, counted from 1 January of the year 0 */
#define SECONDS_PER_DAY 86400

static bool fail(struct key_problem *problem, char const *file, char const *what, char const *hint)
{
    *problem = (struct key_problem){file, what, hint};
    return false;
}

/* --- texts --- */

static bool decode_file(struct key_pem *pem, char const *file, char const *text, size_t length,
                        struct key_problem *problem)
{
    switch (key_pem_decode(pem, text, length)) {
    case KEY_PEM_OK:
        return true;
    case KEY_PEM_TOO_MANY:
        return fail(problem, file, "has more than 16 objects",
                    "keep the server's certificate and the intermediate ones");
    case KEY_PEM_NO_MEMORY:
        return fail(problem, file, "out of memory", "see what uses it up");
    case KEY_PEM_BROKEN:
    default:
        if (memmem(text, length, "ENCRYPTED", 9))
            return fail(problem, file, "is encrypted",
                        "store the key without a passphrase (openssl pkey)");
        return fail(problem, file, "is not whole PEM text", "install the file again");
    }
}

/* --- the chain --- */

/* The decoder follows the first element only. */
static bool decode_certificate(br_x509_decoder_context *decoder,
                               struct key_pem_object const *object)
{
    br_x509_decoder_init(decoder, NULL, NULL);
    br_x509_decoder_push(decoder, object->bytes, object->length);
    return br_x509_decoder_get_pkey(decoder) != NULL;
}

static time_t date(uint32_t days, uint32_t seconds)
{
    return ((time_t)days - EPOCH_DAYS) * SECONDS_PER_DAY + (time_t)seconds;
}

static bool read_chain(struct key_pair *pair, br_x509_decoder_context *decoder,
                       struct key_problem *problem)
{
    struct key_pem const *const chain = &pair->chain;
    if (!chain->count)
        return fail(problem, "chain.pem", "has no certificate",
                    "put the server's certificate there, then the intermediate ones");
    for (size_t i = chain->count; i-- > 0;) {
        if (chain->objects[i].kind == KEY_PEM_KEY || chain->objects[i].kind == KEY_PEM_ENCRYPTED)
            return fail(problem, "chain.pem", "has a private key in it",
                        "the key belongs into key.pem alone; everybody may read a chain");
        if (chain->objects[i].kind != KEY_PEM_CERTIFICATE)
            return fail(problem, "chain.pem", "has something in it that is no certificate",
                        "keep the server's certificate and the intermediate ones");
        /* The first one comes last, so that it is what the decoder holds. Others may have keys that
         * are not supported here: who verifies them is the client. */
        if (!decode_certificate(decoder, chain->objects + i) && i == 0)
            return fail(problem, "chain.pem",
                        "has a first certificate that is broken, or whose key is neither RSA up to "
                        "4096 bits nor EC",
                        "use a certificate for RSA of 2048 to 4096 bits, P-256 or P-384");
    }
    pair->begins = date(decoder->notbefore_days, decoder->notbefore_seconds);
    pair->ends = date(decoder->notafter_days, decoder->notafter_seconds);
    return true;
}

/* --- the key --- */

static struct form_problem {
    char const *what, *hint;
} const form_problems[] = {
    [KEY_FORM_RSA_SMALL] = {"is an RSA key of less than 2048 bits",
                            "make one of 2048 to 4096 bits, or for P-256"},
    [KEY_FORM_RSA_LARGE] = {"is an RSA key of more than 4096 bits",
                            "make one of 2048 to 4096 bits, or for P-256"},
    [KEY_FORM_OTHER_CURVE] = {"is a key on another curve than P-256 or P-384",
                              "make one for P-256"},
    [KEY_FORM_OTHER_KIND] = {"is neither an RSA key with two primes nor an EC key",
                             "make one for P-256 or for RSA of 2048 bits"},
    [KEY_FORM_ENCRYPTED] = {"is encrypted", "store the key without a passphrase (openssl pkey)"},
    [KEY_FORM_BROKEN] = {"is not a whole private key", "install the file again"},
};

/* The one private key among what the file holds: `openssl ecparam` writes its parameters before it.
 */
static struct key_pem_object const *find_key(struct key_pem const *pem, struct key_problem *problem)
{
    struct key_pem_object const *found = NULL;
    for (size_t i = 0; i < pem->count; i++) {
        struct key_pem_object const *const object = pem->objects + i;
        if (object->kind != KEY_PEM_KEY && object->kind != KEY_PEM_ENCRYPTED)
            continue;
        if (found) {
            fail(problem, "key.pem", "has more than one private key", "keep that of chain.pem");
            return NULL;
        }
        found = object;
    }
    if (!found)
        fail(problem, "key.pem", "has no private key", "put the key of chain.pem there");
    return found;
}

static bool decode_key(struct key_pair *pair, struct key_pem const *pem,
                       struct key_problem *problem)
{
    struct key_pem_object const *const object = find_key(pem, problem);
    if (!object)
        return false;
    enum key_form const form = object->kind == KEY_PEM_ENCRYPTED
                                   ? KEY_FORM_ENCRYPTED
                                   : key_form(object->bytes, object->length);
    if (form != KEY_FORM_RSA && form != KEY_FORM_EC)
        return fail(problem, "key.pem", form_problems[form].what, form_problems[form].hint);
    br_skey_decoder_init(&pair->key);
    br_skey_decoder_push(&pair->key, object->bytes, object->length);
    if (br_skey_decoder_last_error(&pair->key))
        return fail(problem, "key.pem", form_problems[KEY_FORM_BROKEN].what,
                    form_problems[KEY_FORM_BROKEN].hint);
    pair->type = form == KEY_FORM_RSA ? KEY_RSA : KEY_EC;
    if (form == KEY_FORM_RSA)
        pair->size = br_skey_decoder_get_rsa(&pair->key)->n_bitlen;
    else
        pair->size = br_skey_decoder_get_ec(&pair->key)->curve == BR_EC_secp256r1 ? 256 : 384;
    return true;
}

/* --- signatures --- */

struct hash {
    br_hash_class const *class;
    unsigned char const *oid;
};

static struct hash find_hash(int number)
{
    switch (number) {
    case br_sha256_ID:
        return (struct hash){&br_sha256_vtable, BR_HASH_OID_SHA256};
    case br_sha384_ID:
        return (struct hash){&br_sha384_vtable, BR_HASH_OID_SHA384};
    default:
        return (struct hash){&br_sha512_vtable, BR_HASH_OID_SHA512};
    }
}

static size_t sign(struct key_pair const *pair, struct hash hash, unsigned char const *value,
                   unsigned char signature[KEY_SIGNATURE_MAX])
{
    size_t const length = hash.class->desc >> BR_HASHDESC_OUT_OFF & BR_HASHDESC_OUT_MASK;
    if (pair->type == KEY_EC)
        return br_ecdsa_sign_asn1_get_default()(br_ec_get_default(), hash.class, value,
                                                &pair->key.key.ec, signature);
    if (!br_rsa_pkcs1_sign_get_default()(hash.oid, value, length, &pair->key.key.rsa, signature))
        return 0;
    return (pair->key.key.rsa.n_bitlen + 7) / 8;
}

size_t key_pair_sign(struct key_pair const *pair, unsigned int algorithm,
                     unsigned char const *input, size_t length,
                     unsigned char signature[KEY_SIGNATURE_MAX])
{
    unsigned char value[64];
    br_hash_compat_context context;
    int const number = key_input_hash(algorithm, pair->type);
    if (!number)
        return 0;
    struct hash const hash = find_hash(number);
    hash.class->init(&context.vtable);
    hash.class->update(&context.vtable, input, length);
    hash.class->out(&context.vtable, value);
    return sign(pair, hash, value, signature);
}

/* Whether what the key signs is verified by the certificate: no other comparison says as much. */
static bool fits(struct key_pair const *pair, br_x509_pkey const *public)
{
    static unsigned char const value[32] = {1}; /* any */
    unsigned char signature[KEY_SIGNATURE_MAX], opened[32];
    struct hash const hash = find_hash(br_sha256_ID);
    if (public->key_type != (pair->type == KEY_EC ? BR_KEYTYPE_EC : BR_KEYTYPE_RSA) ||
        (pair->type == KEY_EC && public->key.ec.curve != pair->key.key.ec.curve))
        return false;
    size_t const length = sign(pair, hash, value, signature);
    if (!length)
        return false;
    if (pair->type == KEY_EC)
        return br_ecdsa_vrfy_asn1_get_default()(br_ec_get_default(), value, sizeof value,
                                                &public->key.ec, signature, length);
    return br_rsa_pkcs1_vrfy_get_default()(signature, length, hash.oid, sizeof value,
                                           &public->key.rsa, opened) &&
           !memcmp(opened, value, sizeof value);
}

/* --- the pair --- */

static bool make(struct key_pair *pair, struct key_pem const *key, struct key_problem *problem)
{
    br_x509_decoder_context certificate;
    if (!read_chain(pair, &certificate, problem) || !decode_key(pair, key, problem))
        return false;
    if (!fits(pair, br_x509_decoder_get_pkey(&certificate)))
        return fail(problem, "key.pem", "is not the key of the first certificate in chain.pem",
                    "install chain and key of the same certificate, the server's first");
    return true;
}

bool key_pair_make(struct key_pair *pair, char const *chain, size_t chain_length, char const *key,
                   size_t key_length, struct key_problem *problem)
{
    struct key_pem decoded;
    memset(pair, 0, sizeof *pair);
    if (!decode_file(&pair->chain, "chain.pem", chain, chain_length, problem))
        return false;
    bool made = decode_file(&decoded, "key.pem", key, key_length, problem);
    if (made) {
        made = make(pair, &decoded, problem);
        key_pem_free(&decoded);
    }
    if (!made)
        key_pair_free(pair);
    return made;
}

void key_pair_free(struct key_pair *pair)
{
    key_pem_free(&pair->chain);
    explicit_bzero(pair, sizeof *pair);
}
