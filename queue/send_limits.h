/* `destlimits`: what the mail for one destination may do at once.
 *
 *   KEY[:PORT]:LIMIT [LIMIT]
 *
 * LIMIT is `NUMBER/m` (messages a minute) or `NUMBER` (connections at once). KEY is a domain whose
 * mail goes by MX, a host of `smtproutes`, an address literal, .PARENT for all below, or empty for
 * all others; each destination has the limits for itself. */
#ifndef EKIDEN_SEND_LIMITS_H
#define EKIDEN_SEND_LIMITS_H

#include <stdint.h>

#include "lib/control.h"
#include "lib/smtproutes.h"
#include "lib/table.h"

#define SEND_LIMITS_RATE_MAX        60000
#define SEND_LIMITS_CONNECTIONS_MAX 500

struct send_limits {
    uint32_t rate;        /* messages a minute; 0: no bound */
    uint32_t connections; /* at once; 0: no bound */
};

/* As table_load. */
enum control_result send_limits_load(struct table *table, struct control const *control,
                                     struct control_error *error);

/* The limits for ROUTE: by its first host, with the port before without, then by the parents of its
 * name, then those for all. */
struct send_limits send_limits_find(struct table const *table, struct smtproute const *route);

#endif
