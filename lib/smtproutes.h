/* `smtproutes`: where mail for other domains goes, in qmail's format.
 *
 *   DOMAIN:HOST[:PORT]    mail for DOMAIN
 *   .DOMAIN:HOST[:PORT]   mail for all below DOMAIN
 *   :HOST[:PORT]          everything else
 * HOST is a name (its addresses are used, never its MX), an IPv4 address or [IPv6]; an empty HOST
 * means: by MX as usual. PORT defaults to 25. Issue 4 adds TLS mode and credentials behind it. */
#ifndef EKIDEN_SMTPROUTES_H
#define EKIDEN_SMTPROUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/control.h"
#include "lib/table.h"

#define SMTPROUTES_HOST_MAX 256 /* with NUL */

struct smtproute {
    bool by_mx;                     /* no entry, or one with an empty HOST: HOST is the domain */
    char host[SMTPROUTES_HOST_MAX]; /* NUL-terminated, lower case, a literal without brackets */
    uint16_t port;
};

enum control_result smtproutes_load(struct table *table, struct control const *control,
                                    struct control_error *error);

/* The way to DOMAIN (any case; may be an address literal `[192.0.2.1]`, `[IPv6:...]`, which is then
 * the host unless an entry says otherwise). False when DOMAIN is empty or too long. */
bool smtproutes_find(struct table const *table, char const *domain, size_t length,
                     struct smtproute *route);

#endif
