/* The bytes of one engine on their way: between the connection, BearSSL and the plain socket.
 *
 * Nothing here blocks but the wait for all of them: sockets are used with MSG_DONTWAIT, because
 * O_NONBLOCK would be set for everybody who holds them, and pipes only as far as poll says. Each
 * turn does a little in every direction that can move, so that none starves; a direction whose
 * taker does not take stops its giver, and no other. */
#ifndef EKIDEN_PUMP_H
#define EKIDEN_PUMP_H

#include <stdbool.h>
#include <stdint.h>

#include <bearssl.h>

#include "tls/engine.h"

struct pump {
    br_ssl_engine_context *tls;
    struct engine_ends const *ends;
    bool in_is_socket, out_is_socket;
    bool input_ended; /* nothing more comes from the connection */
    bool broken;      /* the connection cannot be used any more */
    bool asker_gone;  /* the plain socket was closed at its other end */
    bool closing;     /* we end TLS: close_notify is on its way */
    bool output_shut; /* it was sent, and the end of the connection after it */
    int64_t deadline; /* milliseconds of the monotonic clock; 0: none */
};

/* Begins. The deadline comes after SECONDS; 0: none. */
void pump_start(struct pump *pump, br_ssl_engine_context *tls, struct engine_ends const *ends);
void pump_set_deadline(struct pump *pump, unsigned int seconds);
bool pump_is_late(struct pump const *pump);

/* True while plain bytes may flow: the handshake is over, and TLS is not. */
bool pump_is_ready(struct pump const *pump);

/* True when nothing will move any more, for whatever reason. */
bool pump_is_over(struct pump const *pump);

/* Waits until something can move or the deadline is there, and moves it. With PLAIN the plain
 * socket takes part; without it only its end is noticed. */
void pump_turn(struct pump *pump, bool plain);

#endif
