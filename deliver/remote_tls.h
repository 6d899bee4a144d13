/* TLS on a connection of ours: asks the service for an engine (tls/tls_request.h), with deadlines.
 */
#ifndef EKIDEN_REMOTE_TLS_H
#define EKIDEN_REMOTE_TLS_H

#include <stdbool.h>

#include <skalibs/tai.h>

#include "tls/tls_request.h"

struct remote_tls {
    bool active; /* plain bytes flow */
    /* Open while active, and between the two steps below; else -1. */
    struct tls_link link;
    struct tls_answer handshake; /* while active: version, suite, verified */
};

/* Nothing is asked for. */
void remote_tls_clear(struct remote_tls *tls);

/* First step: asks SERVICE (a socket, or -1: there is none) for an engine for DESCRIPTOR, which
 * stays the caller's, and waits until one is ready. The engine leaves the connection alone until
 * the second step. False: REASON; nothing is asked for then. DEADLINE is absolute, on skalibs'
 * clock, which is kept up to date. */
bool remote_tls_ask(struct remote_tls *tls, int service, struct tls_request const *request,
                    int descriptor, tain const *deadline, char reason[TLS_REASON_MAX + 1]);

/* Second step: lets the engine begin and waits for the end of the handshake. *DESCRIPTOR, the
 * connection, is closed, for nobody may touch it any more but the engine; it becomes the plain
 * socket, non-blocking, which belongs to TLS. False: REASON; *descriptor is -1 and nothing stays
 * open. */
bool remote_tls_begin(struct remote_tls *tls, int *descriptor, tain const *deadline,
                      char reason[TLS_REASON_MAX + 1]);

/* Closes what is open: the engine says close_notify, or forgets the connection when it was not to
 * begin. */
void remote_tls_end(struct remote_tls *tls);

#endif
