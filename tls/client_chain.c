#include "tls/client_chain.h"

#include <string.h>

#define RSA_OCTETS_MIN   128 /* encrypt: 1024 bits; better than a connection in the clear */
#define RSA_OCTETS_MAX   512 /* 4096 bits: BearSSL's own bound */
#define VERIFY_RSA_MIN   256 /* verify: 2048 bits */
#define DAYS_BEFORE_1970 719528
#define DAY_SECONDS      86400
#define DNS_NAME         "\0\2" /* BearSSL's way to ask for dNSName in a subjectAltName */

static struct client_chain *chain_of(br_x509_class const **context)
{
    return (struct client_chain *)(void *)context;
}

static void refuse(struct client_chain *chain, unsigned int error, char const *words)
{
    if (chain->error)
        return;
    chain->error = error;
    chain->refusal = words;
}

static void start_chain(br_x509_class const **context, char const *server_name)
{
    struct client_chain *const chain = chain_of(context);
    chain->count = chain->length = 0;
    chain->error = 0;
    chain->refusal = chain->dates = NULL;
    chain->key.key_type = 0;
    if (chain->verify)
        chain->minimal.vtable->start_chain(&chain->minimal.vtable, server_name);
}

/* Whether the certificate at hand is decoded here: each one's dates, or the first one's key. */
static bool is_decoded(struct client_chain const *chain)
{
    return chain->verify || chain->count == 1;
}

static void start_certificate(br_x509_class const **context, uint32_t length)
{
    struct client_chain *const chain = chain_of(context);
    if (chain->error)
        return;
    chain->count++;
    chain->length += length;
    if (chain->count > CLIENT_CHAIN_MAX)
        refuse(chain, BR_ERR_X509_LIMIT_EXCEEDED, "the server shows more than 20 certificates");
    else if (chain->length > CLIENT_CHAIN_OCTETS_MAX)
        refuse(chain, BR_ERR_X509_LIMIT_EXCEEDED,
               "the server's certificates are larger than 128 KiB");
    if (chain->error)
        return;
    if (is_decoded(chain))
        br_x509_decoder_init(&chain->decoder, NULL, NULL);
    if (chain->verify)
        chain->minimal.vtable->start_cert(&chain->minimal.vtable, length);
}

static void append(br_x509_class const **context, unsigned char const *bytes, size_t length)
{
    struct client_chain *const chain = chain_of(context);
    if (chain->error)
        return;
    /* After an error it must get nothing more: it would go on from the middle of what failed, with
     * a stack that does not fit, and overrun it. */
    if (is_decoded(chain) && chain->decoder.err == 0)
        br_x509_decoder_push(&chain->decoder, bytes, length);
    if (chain->verify)
        chain->minimal.vtable->append(&chain->minimal.vtable, bytes, length);
}

static bool is_before(uint32_t days, uint32_t seconds, uint32_t other_days, uint32_t other_seconds)
{
    return days < other_days || (days == other_days && seconds < other_seconds);
}

/* BearSSL has one error for both dates; who has to mend it wants to know which. */
static void note_dates(struct client_chain *chain)
{
    br_x509_decoder_context const *const decoder = &chain->decoder;
    bool const first = chain->count == 1;
    if (chain->dates || br_x509_decoder_last_error(&chain->decoder) != 0)
        return;
    if (is_before(chain->days, chain->seconds, decoder->notbefore_days, decoder->notbefore_seconds))
        chain->dates = first ? "the server's certificate is not valid yet"
                             : "an intermediate certificate of the server is not valid yet";
    if (is_before(decoder->notafter_days, decoder->notafter_seconds, chain->days, chain->seconds))
        chain->dates = first ? "the server's certificate has expired"
                             : "an intermediate certificate of the server has expired";
}

static void take_rsa_key(struct client_chain *chain, br_rsa_public_key const *key)
{
    if (key->nlen < RSA_OCTETS_MIN)
        refuse(chain, BR_ERR_X509_WEAK_PUBLIC_KEY,
               "the server's certificate has an RSA key below 1024 bits");
    /* An exponent that is no shorter than the modulus would only cost time. */
    else if (key->nlen > RSA_OCTETS_MAX || key->elen == 0 || key->elen > 8)
        refuse(chain, BR_ERR_X509_LIMIT_EXCEEDED,
               "the server's certificate has an RSA key that is too large");
    else {
        memcpy(chain->octets, key->n, key->nlen);
        memcpy(chain->octets + key->nlen, key->e, key->elen);
        chain->key.key.rsa = (br_rsa_public_key){.n = chain->octets,
                                                 .nlen = key->nlen,
                                                 .e = chain->octets + key->nlen,
                                                 .elen = key->elen};
        chain->key.key_type = BR_KEYTYPE_RSA;
    }
}

static void take_ec_key(struct client_chain *chain, br_ec_public_key const *key)
{
    memcpy(chain->octets, key->q, key->qlen);
    chain->key.key.ec =
        (br_ec_public_key){.curve = key->curve, .q = chain->octets, .qlen = key->qlen};
    chain->key.key_type = BR_KEYTYPE_EC;
}

static void take_key(struct client_chain *chain)
{
    br_x509_pkey const *const key = br_x509_decoder_get_pkey(&chain->decoder);
    if (!key) {
        int const error = br_x509_decoder_last_error(&chain->decoder);
        refuse(chain, error ? (unsigned int)error : BR_ERR_X509_TRUNCATED, NULL);
    } else if (key->key_type == BR_KEYTYPE_RSA)
        take_rsa_key(chain, &key->key.rsa);
    else
        take_ec_key(chain, &key->key.ec);
}

static void end_certificate(br_x509_class const **context)
{
    struct client_chain *const chain = chain_of(context);
    if (chain->error)
        return;
    if (chain->verify) {
        note_dates(chain);
        chain->minimal.vtable->end_cert(&chain->minimal.vtable);
    } else if (chain->count == 1)
        take_key(chain);
}

static void judge(struct client_chain *chain)
{
    unsigned int const error = chain->minimal.vtable->end_chain(&chain->minimal.vtable);
    if (error)
        refuse(chain, error, error == BR_ERR_X509_EXPIRED ? chain->dates : NULL);
    /* BearSSL takes a common name where there is no subjectAltName; where there is one, only that
     * counts. So a name that matched without a dNSName matched as common name. */
    else if (chain->alternative.status == 0)
        refuse(chain, BR_ERR_X509_BAD_SERVER_NAME,
               "the server's certificate names it only as common name, "
               "which does not count without a subjectAltName");
}

static unsigned int end_chain(br_x509_class const **context)
{
    struct client_chain *const chain = chain_of(context);
    if (!chain->error && chain->count == 0)
        refuse(chain, BR_ERR_X509_EMPTY_CHAIN, NULL);
    if (!chain->error && chain->verify)
        judge(chain);
    return chain->error;
}

static br_x509_pkey const *get_key(br_x509_class const *const *context, unsigned int *usages)
{
    struct client_chain const *const chain = (struct client_chain const *)(void const *)context;
    if (chain->error)
        return NULL;
    if (chain->verify)
        return chain->minimal.vtable->get_pkey(&chain->minimal.vtable, usages);
    if (usages)
        *usages = BR_KEYTYPE_KEYX | BR_KEYTYPE_SIGN;
    return chain->key.key_type ? &chain->key : NULL;
}

static br_x509_class const engine = {
    .context_size = sizeof(struct client_chain),
    .start_chain = start_chain,
    .start_cert = start_certificate,
    .append = append,
    .end_cert = end_certificate,
    .end_chain = end_chain,
    .get_pkey = get_key,
};

/* No SHA-1: nothing that it signs counts for anything. */
static void set_hashes(br_x509_minimal_context *minimal)
{
    br_x509_minimal_set_hash(minimal, br_sha256_ID, &br_sha256_vtable);
    br_x509_minimal_set_hash(minimal, br_sha384_ID, &br_sha384_vtable);
    br_x509_minimal_set_hash(minimal, br_sha512_ID, &br_sha512_vtable);
}

void client_chain_start(struct client_chain *chain, bool verify,
                        br_x509_trust_anchor const *anchors, size_t count, time_t now)
{
    memset(chain, 0, sizeof *chain);
    chain->vtable = &engine;
    chain->verify = verify;
    chain->days = (uint32_t)(now / DAY_SECONDS) + DAYS_BEFORE_1970;
    chain->seconds = (uint32_t)(now % DAY_SECONDS);
    if (!verify)
        return;
    br_x509_minimal_init(&chain->minimal, &br_sha256_vtable, anchors, count);
    br_x509_minimal_set_rsa(&chain->minimal, br_rsa_pkcs1_vrfy_get_default());
    br_x509_minimal_set_ecdsa(&chain->minimal, br_ec_get_default(),
                              br_ecdsa_vrfy_asn1_get_default());
    br_x509_minimal_set_minrsa(&chain->minimal, VERIFY_RSA_MIN);
    br_x509_minimal_set_time(&chain->minimal, chain->days, chain->seconds);
    set_hashes(&chain->minimal);
    chain->alternative = (br_name_element){.oid = (unsigned char const *)DNS_NAME,
                                           .buf = chain->alternative_text,
                                           .len = sizeof chain->alternative_text};
    br_x509_minimal_set_name_elements(&chain->minimal, &chain->alternative, 1);
}

br_x509_class const **client_chain_engine(struct client_chain *chain)
{
    return &chain->vtable;
}
