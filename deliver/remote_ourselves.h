/* Which addresses are this host: mail that goes there by MX would come back to us for ever. */
#ifndef EKIDEN_REMOTE_OURSELVES_H
#define EKIDEN_REMOTE_OURSELVES_H

#include <stdbool.h>
#include <stddef.h>

#include <skalibs/ip46.h>

#include "lib/network.h"

struct remote_ourselves {
    ip46 *interfaces; /* owned: the addresses that this host's interfaces have */
    size_t count;
    struct networks const *more, *not ; /* moreipme, notipme; the caller's */
};

/* Reads the interfaces' addresses (netlink: before the fence). False: errno. */
bool remote_ourselves_load(struct remote_ourselves *ourselves, struct networks const *more,
                           struct networks const * not );
void remote_ourselves_free(struct remote_ourselves *ourselves);

/* True when IP is this host: the unspecified addresses; then, unless NOT holds it, 127/8, ::1, an
 * address of an interface, or one of MORE. ::ffff:a.b.c.d is the IPv4 address. */
bool remote_ourselves_have(struct remote_ourselves const *ourselves, ip46 const *ip);

/* True when IP is excepted by NOT: a connection may go there even though it is this host. */
bool remote_ourselves_except(struct remote_ourselves const *ourselves, ip46 const *ip);

#endif
