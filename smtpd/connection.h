/* One connection as the dialogue sees it: descriptors that it inherited and nothing to open.
 * dialogue_run (dialogue.c) speaks SMTP on it; the keeper and the templates make it. */
#ifndef EKIDEN_CONNECTION_H
#define EKIDEN_CONNECTION_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include <skalibs/ip46.h>

#include "queue/queue_room.h"
#include "smtpd/role.h"
#include "smtpd/settings.h"
#include "smtpd/trace.h"

/* Why a connection is turned away at its greeting. */
enum connection_refusal {
    CONNECTION_WELCOME,
    CONNECTION_TOO_MANY,          /* in total: 421 4.3.2 */
    CONNECTION_TOO_MANY_FROM_HERE /* from this address or /64: 421 4.7.0 */
};

/* A TLS engine that a super-server offers for this connection (UCSPI-TLS). */
struct ucspi_tls {
    bool offered;
    int control;       /* a socket: gets `Y`, answers with what was agreed on */
    int input, output; /* the plain side; may be the same descriptor */
};

struct connection {
    int input, output; /* of the client; may be the same descriptor */
    ip46 remote, local;
    uint16_t remote_port, local_port;
    enum role role;
    bool has_role;   /* ROLE was said with the listener or the connection; else its port decides */
    bool has_remote; /* false: a pipe or unix socket; REMOTE is 127.0.0.1 then, never a relay client
                      */
    bool relayclient;       /* RELAYCLIENT was set by tcprules (never taken from a listener's own
                               environment) */
    char relay_suffix[256]; /* its value, appended to each recipient as qmail does; mostly empty */
    enum connection_refusal refusal;
    struct settings const *settings;
    struct queue_room const *room;
    int injector_requests; /* packets: 'I' with one end of a pair asks for an injector session */
    int helper_requests;   /* packets to the keeper: helper.h; -1 when there is none */
    int tls_requests;      /* packets to ekiden-tls: tls/tls_request.h; -1 when there is none */
    struct ucspi_tls ucspi_tls; /* goes before tls_requests */
    /* The super-server has begun TLS already; 0: it has not, or has not said so. */
    char const *tls_version, *tls_suite;
    volatile sig_atomic_t const *stop; /* set by SIGTERM: answer 421 4.3.2 at the next command.
                                          SIGTERM is blocked except while waiting (ppoll with
                                          `waiting`) */
    sigset_t const *waiting;
    struct trace const *trace; /* who looks on: `ekiden explain`; else 0 */
};

/* Serves the connection to its end. Returns the exit code: 0, or 111 after a failure that was
 * logged. */
int dialogue_run(struct connection const *connection);

#endif
