/* One TLS connection in a process of its own, as server or as client: the conversation with who
 * asked for it (tls/tls_request.h), the handshake, and the pump between the connection and the
 * plain socket. What differs between the roles (certificates, suites, names) is the caller's. */
#ifndef EKIDEN_ENGINE_H
#define EKIDEN_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include <bearssl.h>

#include "tls/tls_request.h"

#define ENGINE_CLOSE_SECONDS 5      /* for what is left to send once the asker has closed */
#define ENGINE_PROTOCOL      "smtp" /* of ALPN (RFC 7301) */

/* The descriptors of one engine. None of them is changed in a way that others who hold it would
 * notice. */
struct engine_ends {
    int in, out; /* the connection: sockets or pipes, perhaps one socket twice */
    int plain;   /* stream socket */
    int answers; /* packets; -1: nobody waits for answers, and no `G` comes */
};

/* How the role completes an answer before it is sent: for TLS_HANDSHAKE name and verified (version
 * and suite are there), for TLS_FAILED the reason, which already says what is known here. ERROR is
 * br_ssl_engine_last_error, 0 when the cause was another one (time, the end of the connection). */
typedef void engine_complete_func(void *context, struct tls_answer *answer, int error);

struct engine {
    struct engine_ends ends;
    unsigned int seconds;           /* for the handshake, from `G` on */
    char const *peer;               /* who is at the other end, for reasons: "client" or "server" */
    engine_complete_func *complete; /* may be 0 */
    void *context;
};

/* Sets in TLS, which br_ssl_server_zero or br_ssl_client_zero has emptied, what both roles have in
 * common: TLS 1.2 and nothing else; SHA-256, SHA-384, SHA-512; X25519, P-256, P-384; AES-GCM and
 * ChaCha20-Poly1305; no renegotiation; ALPN ENGINE_PROTOCOL or none; 64 bytes of the kernel's
 * randomness (BearSSL would open /dev/urandom); buffers: 16 KiB for input, OUTPUT bytes for what is
 * sent, at most ENGINE_OUTPUT_MAX. Suites are the role's; br_ssl_*_reset comes after it. The
 * buffers are this module's: one engine a process. False: errno, there is no randomness. */
#define ENGINE_OUTPUT_MAX BR_SSL_BUFSIZE_OUTPUT
bool engine_prepare(br_ssl_engine_context *tls, size_t output);

/* Sends `F` with REASON: for an engine that cannot begin. */
void engine_refuse(struct engine_ends const *ends, char const *reason);

/* Serves one connection from `R` to its end: says `R`, waits for `G`, makes the handshake, says `H`
 * or `F`, pumps. TLS was reset for its role. Returns when all is over; the descriptors are closed
 * then. The process needs no system calls but those of engine_fence. */
void engine_run(struct engine const *engine, br_ssl_engine_context *tls);

/* The last fence, for a process that was forked from a template and has all its descriptors: no
 * system calls but what engine_run and a packet socket need; no processes, no files. */
void engine_fence(void);

#endif
