/* A connection to a server and its session, for one transaction or for several. */
#ifndef EKIDEN_REMOTE_CONNECTION_H
#define EKIDEN_REMOTE_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include <skalibs/tai.h>

#include "deliver/remote_exchangers.h"
#include "deliver/remote_ourselves.h"
#include "deliver/remote_session.h"
#include "deliver/remote_settings.h"
#include "deliver/remote_way.h"

#define REMOTE_PEER_MAX (REMOTE_NAME_MAX + IP46_FMT + sizeof "[]:65535")

/* The session points into its own connection, which is not to be copied. */
struct remote_connection {
    struct remote_session session;     /* READY: open, and for the next transaction of its way */
    struct remote_candidate candidate; /* the server's address */
    unsigned int way;                  /* the number of its way */
    uint64_t total;                    /* transactions of this and all connections before */
    uint64_t count;                    /* of this one */
    tain until;                        /* `reuselimit`: no transaction begins after that */
    char peer[REMOTE_PEER_MAX];
    char name[TLS_NAME_MAX + 1];
};

/* Nothing is connected, nothing was before. */
void remote_connection_clear(struct remote_connection *connection);

/* Begins anew: a session of WAY, number NUMBER, with CANDIDATE; nothing is connected. SETTINGS and
 * WAY must outlive it. False with *failure: see remote_identity_choose, with AUTHENTICATED. */
bool remote_connection_prepare(struct remote_connection *connection,
                               struct remote_settings const *settings, struct remote_way const *way,
                               unsigned int number, struct remote_candidate const *candidate,
                               bool authenticated, int tls_service, struct failure *failure);

/* Connects; MOST is the last moment for it, beside `timeoutconnect`. The rest as remote_connect. */
bool remote_connection_make(struct remote_connection *connection,
                            struct remote_settings const *settings,
                            struct remote_ourselves const *ourselves, tain const *most,
                            struct failure *failure);

/* True when it may be used for another transaction: by its session, and by `reuselimit`, whose
 * MESSAGES all connections before count for as well. After RSET, where that is needed. */
bool remote_connection_may_stay(struct remote_connection const *connection,
                                struct remote_settings const *settings);

/* Says QUIT where that is in order, and closes what is open. Takes a few seconds at most. */
void remote_connection_leave(struct remote_connection *connection);

#endif
