/* TLS for a session: asks for an engine, lets it begin, and hears how it went. Which engine, that
 * of ekiden-tls (tls/tls_request.h) or one that a super-server offers (UCSPI-TLS), makes no
 * difference to the session. */
#ifndef EKIDEN_TUNNEL_H
#define EKIDEN_TUNNEL_H

#include <stdbool.h>

#include "smtpd/stream.h"
#include "tls/tls_request.h"

struct tunnel {
    struct connection const *connection;
    struct stream *stream;
    struct tls_link link;     /* of ekiden-tls */
    struct tls_answer answer; /* after tunnel_begin; `reason` after a failure of either call */
};

/* Finds an engine that is ready to begin; the connection is not touched yet. Waits at most 10
 * seconds, or timeouttls where that is less. STREAM_OK: it waits for tunnel_begin. STREAM_STOPPED,
 * STREAM_EXPIRED: as said in stream.h. Anything else: there is none. */
enum stream_result tunnel_prepare(struct tunnel *tunnel, struct connection const *connection,
                                  struct stream *stream);

/* Gives up an engine that waits to begin. */
void tunnel_cancel(struct tunnel *tunnel);

/* Lets it begin, and waits for the end of the handshake: at most timeouttls and what a slow machine
 * needs. STREAM_OK: the stream is the plain side now. Anything else: nothing may be said and
 * nothing read any more; what could still hold the connection open no longer does. */
enum stream_result tunnel_begin(struct tunnel *tunnel);

#endif
