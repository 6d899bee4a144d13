/* `smtproutes`: where mail for other domains goes, in qmail's format.
 *
 *   DOMAIN:HOST[:PORT]    mail for DOMAIN
 *   .DOMAIN:HOST[:PORT]   mail for all below DOMAIN
 *   :HOST[:PORT]          everything else
 * DOMAIN may be an address literal. HOST is a name (its addresses are used, never its MX), an IPv4
 * address or [IPv6]; an empty HOST means: by MX as usual. PORT defaults to 25. Issue 4 adds TLS
 * mode and credentials behind it. */
#ifndef EKIDEN_SMTPROUTES_H
#define EKIDEN_SMTPROUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/control.h"
#include "lib/table.h"

#define SMTPROUTES_HOST_MAX 256 /* with NUL */

struct smtproute {
    bool by_mx; /* no entry, or one with an empty HOST */
    /* NUL-terminated, lower case. By MX the domain as it was given, a literal in its brackets;
     * else a name, or an address without brackets. */
    char host[SMTPROUTES_HOST_MAX];
    uint16_t port;
};

/* As table_load. */
enum control_result smtproutes_load(struct table *table, struct control const *control,
                                    struct control_error *error);

/* The way to DOMAIN (any case). The entry for the domain itself counts first, then those of its
 * parents, the longer before the shorter, then the one for everything. False when DOMAIN is empty
 * or too long. */
bool smtproutes_find(struct table const *table, char const *domain, size_t length,
                     struct smtproute *route);

#endif
