#include "tls/server_session.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "tls/hello_name.h"
#include "tls/key_channel.h"

/* BearSSL's view of it: the class comes first. Its PRF has no context, so there is one. */
static struct state {
    br_ssl_session_cache_class const *class;
    br_ssl_server_context *tls; /* 0: no session is kept */
    int channel;
    char *name;
    bool resumes;
    struct key_resumed resumed;
} state;

static void save(br_ssl_session_cache_class const **context, br_ssl_server_context *tls,
                 br_ssl_session_parameters const *session)
{
    (void)context;
    (void)tls;
    key_channel_keep(state.channel, session->cipher_suite, session->master_secret);
}

/* The suites of the ClientHello are the next thing that BearSSL reads. One that goes on in another
 * record resumes nothing. */
static int load(br_ssl_session_cache_class const **context, br_ssl_server_context *tls,
                br_ssl_session_parameters *session)
{
    br_ssl_engine_context *const engine = &tls->eng;
    char name[KEY_NAME_MAX + 1];
    (void)context;
    if (session->session_id_len != KEY_ID_SIZE ||
        !hello_name(engine->hbuf_in, engine->hlen_in, name) ||
        !key_channel_load(state.channel, session->session_id, engine->client_random, name,
                          &state.resumed))
        return 0;
    memcpy(state.name, name, strlen(name) + 1);
    session->version = BR_TLS12;
    session->cipher_suite = state.resumed.suite;
    memset(session->master_secret, 0, sizeof session->master_secret);
    /* The next that is generated is the server random, which the keys were made for. */
    br_hmac_drbg_init(&engine->rng, &br_sha256_vtable, state.resumed.seed, KEY_SEED_SIZE);
    state.resumes = true;
    return 1;
}

static br_ssl_session_cache_class const class = {
    .context_size = sizeof(struct state), .save = save, .load = load};

/* What the key process does not say becomes something that nobody can guess: the handshake ends. */
static void compute_resumed(unsigned char *to, size_t length, char const *label,
                            br_tls_prf_seed_chunk const *seed)
{
    if (getrandom(to, length, 0) != (ssize_t)length)
        abort();
    if (!strcmp(label, "key expansion") && length <= KEY_BLOCK_SIZE)
        memcpy(to, state.resumed.block, length);
    else if (length == KEY_FINISHED_SIZE)
        (void)key_channel_finish(state.channel,
                                 label[0] == 's' ? KEY_SERVER_FINISHED : KEY_CLIENT_FINISHED,
                                 seed->data, seed->len, to);
}

static void prf_sha256(void *to, size_t length, void const *secret, size_t secret_length,
                       char const *label, size_t seeds, br_tls_prf_seed_chunk const *seed)
{
    if (state.resumes)
        compute_resumed(to, length, label, seed);
    else
        br_tls12_sha256_prf(to, length, secret, secret_length, label, seeds, seed);
}

static void prf_sha384(void *to, size_t length, void const *secret, size_t secret_length,
                       char const *label, size_t seeds, br_tls_prf_seed_chunk const *seed)
{
    if (state.resumes)
        compute_resumed(to, length, label, seed);
    else
        br_tls12_sha384_prf(to, length, secret, secret_length, label, seeds, seed);
}

void server_session_start(br_ssl_server_context *tls, int channel, char name[KEY_NAME_MAX + 1])
{
    state = (struct state){.class = &class, .tls = tls, .channel = channel, .name = name};
    br_ssl_engine_set_prf_sha256(&tls->eng, prf_sha256);
    br_ssl_engine_set_prf_sha384(&tls->eng, prf_sha384);
    br_ssl_server_set_cache(tls, &state.class);
}

void server_session_renew(unsigned char const id[KEY_ID_SIZE])
{
    server_session_forget();
    if (state.tls)
        memcpy(state.tls->eng.session.session_id, id, KEY_ID_SIZE);
}

void server_session_forget(void)
{
    state.resumes = false;
    explicit_bzero(&state.resumed, sizeof state.resumed);
}
