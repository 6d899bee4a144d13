#include "tls/server_engine.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tls/key_channel.h"
#include "tls/server_session.h"
#include "tls/suites.h"

#define OUTPUT                                                                                     \
    (4096 + 85) /* bytes: replies are short, and an idle session keeps what it touched             \
                 */

/* BearSSL's view of a server's policy: the class comes first. */
struct server {
    br_ssl_server_policy_class const *class;
    int channel;
    struct key_chain chain;
    char name[KEY_NAME_MAX + 1];    /* what the client asked for, if it was sent at all */
    char problem[KEY_TEXT_MAX + 1]; /* why there is no chain for it */
};

/* What the client asked for by SNI. BearSSL keeps 255 octets and ends them with NUL, with whatever
 * was in the name: one with a NUL inside is none, and neither are two of them. The buffer was empty
 * before. */
static void read_name(struct server *server, br_ssl_engine_context const *tls)
{
    char const *const name = tls->server_name;
    size_t const length = strnlen(name, sizeof tls->server_name);
    for (size_t i = length; i < sizeof tls->server_name; i++)
        if (name[i])
            return;
    if (length <= KEY_NAME_MAX)
        memcpy(server->name, name, length + 1);
}

/* The hash for signatures with our key, of those that the client takes: 0 for none. */
static unsigned int choose_hash(struct server const *server, br_ssl_server_context const *tls)
{
    static unsigned int const preferred[] = {br_sha256_ID, br_sha384_ID, br_sha512_ID};
    uint32_t const hashes =
        br_ssl_server_get_client_hashes(tls) >> (server->chain.type == KEY_EC ? 8 : 0);
    for (size_t i = 0; i < sizeof preferred / sizeof *preferred; i++)
        if (hashes >> preferred[i] & 1)
            return preferred[i];
    return 0;
}

static int choose(br_ssl_server_policy_class const **context, br_ssl_server_context const *tls,
                  br_ssl_server_choices *choices)
{
    struct server *const server = (struct server *)context;
    size_t count;
    server_session_renew(server->chain.id);
    read_name(server, &tls->eng);
    if (server->name[0] &&
        !key_channel_open(server->channel, server->name, &server->chain, server->problem))
        return 0;
    unsigned int const hash = choose_hash(server, tls);
    br_suite_translated const *const suites = br_ssl_server_get_client_suites(tls, &count);
    for (size_t i = 0; hash && i < count; i++) {
        if (suites[i][1] >> 12 !=
            (server->chain.type == KEY_EC ? BR_SSLKEYX_ECDHE_ECDSA : BR_SSLKEYX_ECDHE_RSA))
            continue;
        choices->cipher_suite = suites[i][0];
        /* Below 0xFF00: do_sign gets what is to be hashed, and this is what the message says. */
        choices->algo_id = hash << 8 | (unsigned int)server->chain.type;
        choices->chain = server->chain.certificates;
        choices->chain_len = server->chain.count;
        return 1;
    }
    return 0;
}

/* No suite that is offered has the client encrypt to our key. */
static uint32_t refuse_exchange(br_ssl_server_policy_class const **context, unsigned char *data,
                                size_t *length)
{
    (void)context;
    (void)data;
    (void)length;
    return 0;
}

static size_t sign(br_ssl_server_policy_class const **context, unsigned int algorithm,
                   unsigned char *data, size_t length, size_t size)
{
    struct server const *const server = (struct server const *)context;
    return key_channel_sign(server->channel, algorithm, data, length, data, size);
}

static br_ssl_server_policy_class const policy = {.context_size = sizeof(struct server),
                                                  .choose = choose,
                                                  .do_keyx = refuse_exchange,
                                                  .do_sign = sign};

static void complete(void *context, struct tls_answer *answer, int error)
{
    struct server *const server = context;
    (void)error;
    if (answer->kind == TLS_FAILED) {
        if (server->problem[0])
            snprintf(answer->reason, sizeof answer->reason, "%s", server->problem);
        return;
    }
    snprintf(answer->name, sizeof answer->name, "%.*s", TLS_NAME_MAX, server->name);
    server_session_forget();
    /* There will be no further signature on this connection. */
    close(server->channel);
    server->channel = -1;
}

static bool prepare(br_ssl_server_context *tls, struct server *server)
{
    uint16_t suites[SUITES_AEAD];
    br_ssl_server_zero(tls);
    if (!engine_prepare(&tls->eng, OUTPUT))
        return false;
    suites_aead(suites);
    br_ssl_engine_set_suites(&tls->eng, suites, SUITES_AEAD);
    br_ssl_engine_add_flags(&tls->eng, BR_OPT_ENFORCE_SERVER_PREFERENCES);
    br_ssl_server_set_policy(tls, &server->class);
    if (server->chain.resumes)
        server_session_start(tls, server->channel, server->name);
    return br_ssl_server_reset(tls);
}

void server_engine_serve(struct engine_ends const *ends, unsigned int seconds, int channel)
{
    static br_ssl_server_context tls; /* one a process */
    static struct server server;
    struct engine const engine = {.ends = *ends,
                                  .seconds = seconds,
                                  .peer = "client",
                                  .complete = complete,
                                  .context = &server};
    server.class = &policy;
    server.channel = channel;
    engine_fence();
    if (!key_channel_open(channel, "", &server.chain, server.problem))
        engine_refuse(ends, server.problem);
    else if (!prepare(&tls, &server))
        engine_refuse(ends, "no randomness for TLS");
    else
        engine_run(&engine, &tls.eng);
}
