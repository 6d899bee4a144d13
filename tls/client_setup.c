#include "tls/client_setup.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <time.h>

#include "tls/engine.h"
#include "tls/suites.h"

/* What level encrypt takes besides. */
static uint16_t const cbc[] = {
    BR_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
    BR_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
    BR_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384,
    BR_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384,
};
#define CBC_SUITES (sizeof cbc / sizeof *cbc)

static bool is_address(char const *name)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1 ||
           name[0] == '[';
}

/* True for what may stand in a certificate as dNSName, or in SNI (RFC 6066 3): a wildcard that we
 * ask for would match a wildcard there. */
static bool is_name(char const *name)
{
    for (char const *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-._", *c))
            return false;
    return name[0] && !is_address(name);
}

/* The name without the root's dot, which neither SNI nor certificates have. */
static void copy_name(char target[TLS_NAME_MAX + 1], char const *name)
{
    size_t const length = strnlen(name, TLS_NAME_MAX);
    memcpy(target, name, length);
    target[length] = 0;
    if (length > 1 && target[length - 1] == '.')
        target[length - 1] = 0;
}

static void set_algorithms(br_ssl_engine_context *engine, bool verify)
{
    uint16_t suites[SUITES_AEAD + CBC_SUITES];
    suites_aead(suites);
    memcpy(suites + SUITES_AEAD, cbc, sizeof cbc);
    br_ssl_engine_set_suites(engine, suites, SUITES_AEAD + (verify ? 0 : CBC_SUITES));
    br_ssl_engine_set_default_rsavrfy(engine);
    br_ssl_engine_set_default_ecdsa(engine);
    if (!verify)
        br_ssl_engine_set_default_aes_cbc(engine);
    /* `smtp` is not a registered name: a server that knows others would break off. */
    br_ssl_engine_set_protocol_names(engine, NULL, 0);
}

char const *client_prepare(struct client *client, struct tls_request const *request,
                           struct anchors const *anchors)
{
    bool const verify = request->level == TLS_VERIFY;
    char name[TLS_NAME_MAX + 1];
    copy_name(name, request->name);
    if (verify && is_address(name))
        return "a certificate is verified by a host name, not by an address: give the relay by "
               "name";
    if (verify && !is_name(name))
        return "the name to verify is not a host name";
    if (verify && anchors_problem(anchors))
        return anchors_problem(anchors);
    br_ssl_client_zero(&client->context);
    /* A smaller buffer would be asked for with an extension that few servers know. */
    if (!engine_prepare(&client->context.eng, ENGINE_OUTPUT_MAX))
        return "there is no randomness";
    set_algorithms(&client->context.eng, verify);
    client_chain_start(&client->chain, verify, anchors->list, anchors->count, time(NULL));
    br_ssl_engine_set_x509(&client->context.eng, client_chain_engine(&client->chain));
    if (!br_ssl_client_reset(&client->context, is_name(name) ? name : NULL, 0))
        return "the handshake cannot begin";
    return NULL;
}
