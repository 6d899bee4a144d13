/* From a destination to the addresses that a delivery tries, in order. RFC 5321 section 5.1, RFC
 * 7505 (null MX). */
#ifndef EKIDEN_REMOTE_EXCHANGERS_H
#define EKIDEN_REMOTE_EXCHANGERS_H

#include <stdbool.h>
#include <stddef.h>

#include <skalibs/ip46.h>
#include <skalibs/tai.h>

#include "deliver/failure.h"
#include "deliver/remote_ourselves.h"
#include "lib/dns.h"

#define REMOTE_HOSTS_MAX     5  /* hosts that are tried */
#define REMOTE_ADDRESSES_MAX 10 /* addresses that are tried */
#define REMOTE_LOOKED_AT_MAX 20 /* hosts of an MX whose addresses are asked for */
#define REMOTE_NAME_MAX      256

struct remote_candidate {
    ip46 ip;                    /* 0.0.0.0 for the path of a socket */
    char host[REMOTE_NAME_MAX]; /* NUL-terminated; the address itself for a literal, or the path */
};
struct remote_candidates {
    struct remote_candidate entries[REMOTE_ADDRESSES_MAX];
    unsigned int count;
    bool authenticated; /* by MX: the DNS signs that these hosts are the domain's (AD) */
};

/* What a look-up needs of the world: functions, so that tests need none of it. */
struct remote_world {
    /* As dns_ask. */
    void (*ask)(void *context, struct dns_question const *questions, struct dns_answer *answers,
                size_t count, tain const *deadline);
    void *context;
    void (*random)(void *bytes, size_t length); /* fills BYTES */
    struct remote_ourselves const *ourselves;
};

/* Fills CANDIDATES, not empty then, with where mail for HOST goes. By MX: the hosts in order of
 * preference, equal ones at random; without an MX HOST itself; HOST may be an address literal in
 * brackets. When one of them is this host it is left out with all of its preference and worse.
 * Not by MX: the addresses of HOST, or HOST is an address; this host is allowed, and `localhost` is
 * its loopback addresses without a look at the DNS; the path of a socket is itself.
 * Of each host IPv6 and IPv4 by turns, IPv6 first; no host takes the others' places.
 * U-labels are looked up as A-labels (RFC 5891). The look-ups end at DEADLINE.
 * On false *failure says why: 5.1.2 no such domain, 5.1.10 null MX, 5.4.4 no address, 5.4.6 this
 * host is the best exchanger, 4.4.3 DNS failed, 4.3.5 a smtproute leads nowhere. */
bool remote_exchangers_find(struct remote_candidates *candidates, struct remote_world const *world,
                            char const *host, bool by_mx, tain const *deadline,
                            struct failure *failure);

#endif
