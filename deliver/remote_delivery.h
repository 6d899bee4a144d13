/* One transaction to its end: look-up, one server after the other, a result for each recipient. */
#ifndef EKIDEN_REMOTE_DELIVERY_H
#define EKIDEN_REMOTE_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "deliver/remote_connection.h"
#include "deliver/remote_exchangers.h"
#include "deliver/remote_refusals.h"
#include "deliver/remote_session.h"
#include "deliver/remote_settings.h"
#include "deliver/remote_way.h"

#define REMOTE_TRY_SECONDS 600 /* no further server is tried after that */

struct remote_delivery {
    struct remote_settings const *settings;
    struct remote_world const *world;
    struct remote_ways const *ways;
    int tls_service; /* where ekiden-tls hears requests (tls/tls_request.h); -1: it does not run */
    /* Stays open after a transaction as far as `reuselimit` and the server allow, and is READY for
     * the next one then. NULL: none does. */
    struct remote_connection *connection;
    /* Called once, when every recipient is settled, before anything else is said to the server:
     * what happens between the server's word and ours makes mail come twice. IS_READY: the
     * connection is. Otherwise it may be so when the run has ended. */
    void (*report)(void *context, struct remote_transaction const *transaction, bool is_ready);
    /* Called when the login of the way number WAY is refused. NULL: nobody remembers. */
    void (*refused)(void *context, unsigned int way);
    struct remote_refusals const *refusals; /* ways that are not gone; NULL: none */
    void *context;
};

/* Runs TRANSACTION, whose recipients are unsettled, over the connection where it is READY. Else, or
 * when that is of no more use without having brought a result (REMOTE_STALE): by the first of the
 * ways; by the second when the first could not be gone (no address, no connection, a session
 * without a result), and for the recipients that the first deferred, unless the final dot was sent
 * to it: what was refused for good stays so, and what may have been taken is not sent twice.
 * JOB_UNREACHABLE for those that found no server that can be reached and speaks, by any way. Logs a
 * line for each server that is tried. Needs skalibs' clock (tain_now_g). Takes at most
 * remote_delivery_seconds. */
void remote_delivery_run(struct remote_delivery const *delivery,
                         struct remote_transaction *transaction);

/* The seconds that the delivery of LENGTH bytes (at most INT64_MAX) takes at most. A server may be
 * slow, down to a KiB a second. */
unsigned int remote_delivery_seconds(struct remote_settings const *settings, uint64_t length);

#endif
