/* How a delivery goes to a server: what smtproutes, tlspolicy and authroutes say, put together. */
#ifndef EKIDEN_REMOTE_WAY_H
#define EKIDEN_REMOTE_WAY_H

#include <stdbool.h>
#include <stdint.h>

#include "deliver/failure.h"
#include "deliver/remote_settings.h"
#include "lib/smtproutes.h"
#include "lib/tlspolicy.h"

/* Strings belong to the route, the settings and the remote_ways it is in. */
struct remote_way {
    char const *host; /* as lib/smtproutes.h has it, with BY_MX */
    bool by_mx;
    bool lmtp;
    uint16_t port;               /* 0: HOST is the path of a socket */
    bool implicit;               /* TLS from the first byte; LEVEL is ENCRYPT or VERIFY then */
    enum tlspolicy_level level;  /* never UNSET */
    char const *verify_name;     /* with VERIFY: the name in the certificate; empty: the server's */
    char const *user, *password; /* both NULL: no AUTH; else AUTH must succeed */
    char const *reference;       /* of user and password in authroutes, for texts; else NULL */
    bool clear_auth;             /* AUTH without TLS, too */
};
struct remote_ways {
    unsigned int count;                              /* 1 or 2 */
    bool socket;                                     /* one is to a socket of this host */
    struct remote_way ways[SMTPROUTES_HOSTS_MAX];    /* in the order in which they are tried */
    struct tlspolicy policies[SMTPROUTES_HOSTS_MAX]; /* what the ways point into: never copied */
};

/* Fills WAYS from ROUTE and SETTINGS. The level of a host: the route's; else that which tlspolicy
 * has for the host or a parent; else VERIFY with AUTH (MAY when it may go in the clear); else
 * tlspolicy's for all others; else MAY. False with *failure (4.3.5) when ROUTE needs credentials
 * that are not there; the log says which. */
bool remote_ways_make(struct remote_ways *ways, struct smtproute const *route,
                      struct remote_settings const *settings, struct failure *failure);

#endif
