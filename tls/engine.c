#include "tls/engine.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/packet.h"
#include "tls/pump.h"
#include "tls/reason.h"
#include "tls/suites.h"

/* Touched, and so taken, only as far as records need them. */
static unsigned char input[BR_SSL_BUFSIZE_INPUT] __attribute__((aligned(4096)));
static unsigned char output[ENGINE_OUTPUT_MAX] __attribute__((aligned(4096)));

static char const *const protocols[] = {ENGINE_PROTOCOL};

/* --- TLS --- */

/* What BearSSL has, without P-521: nobody needs it, and it is the slowest. */
static br_ec_impl const *curves(void)
{
    static br_ec_impl chosen;
    chosen = br_ec_all_m31;
    chosen.supported_curves =
        1u << BR_EC_curve25519 | 1u << BR_EC_secp256r1 | 1u << BR_EC_secp384r1;
    return &chosen;
}

static bool seed(br_ssl_engine_context *tls)
{
    unsigned char bytes[64];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return false;
    br_ssl_engine_inject_entropy(tls, bytes, sizeof bytes);
    explicit_bzero(bytes, sizeof bytes);
    /* Where the processor has no RDRAND, BearSSL would open /dev/urandom, behind the fence. */
    tls->rng_os_rand_done = 1;
    return true;
}

bool engine_prepare(br_ssl_engine_context *tls, size_t size)
{
    br_ssl_engine_set_versions(tls, BR_TLS12, BR_TLS12);
    br_ssl_engine_set_hash(tls, br_sha256_ID, &br_sha256_vtable);
    br_ssl_engine_set_hash(tls, br_sha384_ID, &br_sha384_vtable);
    br_ssl_engine_set_hash(tls, br_sha512_ID, &br_sha512_vtable);
    br_ssl_engine_set_prf_sha256(tls, &br_tls12_sha256_prf);
    br_ssl_engine_set_prf_sha384(tls, &br_tls12_sha384_prf);
    br_ssl_engine_set_ec(tls, curves());
    br_ssl_engine_set_default_aes_gcm(tls);
    br_ssl_engine_set_default_chapol(tls);
    br_ssl_engine_add_flags(tls, BR_OPT_NO_RENEGOTIATION | BR_OPT_FAIL_ON_ALPN_MISMATCH);
    br_ssl_engine_set_protocol_names(tls, (char const **)protocols, 1);
    br_ssl_engine_set_buffers_bidi(tls, input, sizeof input, output, size);
    return seed(tls);
}

/* --- answers --- */

static void answer(struct engine_ends const *ends, struct tls_answer const *given)
{
    char bytes[TLS_REQUEST_MAX];
    struct iovec const piece = {.iov_base = bytes, .iov_len = tls_answer_format(bytes, given)};
    if (ends->answers >= 0)
        /* An asker that is gone is noticed by its plain socket; one that has filled this one up
         * itself must not hold the template. */
        (void)packet_offer(ends->answers, &piece, 1, NULL, 0);
}

void engine_refuse(struct engine_ends const *ends, char const *reason)
{
    struct tls_answer given = {.kind = TLS_FAILED};
    snprintf(given.reason, sizeof given.reason, "%s", reason);
    answer(ends, &given);
}

/* Waits for the word to begin. False: the asker is gone, or said something else. */
static bool await_go(struct engine_ends const *ends)
{
    char letter;
    ssize_t length;
    if (ends->answers < 0)
        return true;
    do
        length = packet_receive(ends->answers, &letter, sizeof letter, NULL, NULL);
    while (length < 0 && errno == EINTR);
    return length == 1 && letter == 'G';
}

static void say_failed(struct engine const *engine, struct pump const *pump)
{
    struct tls_answer given = {.kind = TLS_FAILED};
    int const error = br_ssl_engine_last_error(pump->tls);
    if (error)
        reason_of_error(given.reason, sizeof given.reason, error, engine->peer);
    else if (pump_is_late(pump))
        snprintf(given.reason, sizeof given.reason, "the handshake took more than %u seconds",
                 engine->seconds);
    else
        snprintf(given.reason, sizeof given.reason,
                 "the %s closed the connection during the handshake", engine->peer);
    if (engine->complete)
        engine->complete(engine->context, &given, error);
    answer(&engine->ends, &given);
}

static void say_over(struct engine const *engine, br_ssl_engine_context const *tls)
{
    struct tls_answer given = {.kind = TLS_HANDSHAKE, .version = "TLSv1.2"};
    br_ssl_session_parameters session;
    br_ssl_engine_get_session_parameters(tls, &session);
    snprintf(given.suite, sizeof given.suite, "%s", suite_name(session.cipher_suite));
    explicit_bzero(session.master_secret, sizeof session.master_secret);
    if (engine->complete)
        engine->complete(engine->context, &given, 0);
    answer(&engine->ends, &given);
}

/* --- the connection --- */

/* True when it is over and plain bytes may flow. */
static bool handshake(struct engine const *engine, struct pump *pump)
{
    pump_set_deadline(pump, engine->seconds);
    while (!pump_is_ready(pump) && !pump_is_over(pump) && !pump->input_ended && !pump->asker_gone)
        pump_turn(pump, false);
    if (pump_is_ready(pump) && !pump->asker_gone)
        return true;
    if (!pump->asker_gone)
        say_failed(engine, pump);
    return false;
}

static void move_plain(struct pump *pump)
{
    bool told = false;
    pump_set_deadline(pump, 0);
    while (!pump_is_over(pump)) {
        pump_turn(pump, true);
        /* All that came before has been given to the asker: BearSSL takes no record before. What
         * it still has to say goes out: many a client closes its half as soon as it has said all.
         */
        if (pump->input_ended && !told)
            shutdown(pump->ends->plain, SHUT_WR);
        told = pump->input_ended;
    }
}

/* So that the asker reads the end, and no error: a socket that is closed with something unread in
 * it resets its partner. */
static void close_plain(int plain)
{
    char bytes[4096];
    shutdown(plain, SHUT_RDWR);
    while (recv(plain, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
    close(plain);
}

void engine_run(struct engine const *engine, br_ssl_engine_context *tls)
{
    struct engine_ends const *const ends = &engine->ends;
    struct tls_answer const ready = {.kind = TLS_READY};
    struct pump pump;
    answer(ends, &ready);
    if (await_go(ends)) {
        pump_start(&pump, tls, ends);
        if (handshake(engine, &pump)) {
            say_over(engine, tls);
            move_plain(&pump);
        }
    }
    close_plain(ends->plain);
    close(ends->in);
    if (ends->out != ends->in)
        close(ends->out);
    if (ends->answers >= 0)
        close(ends->answers);
}
