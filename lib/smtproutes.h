/* `smtproutes`: where mail for other domains goes, and how. qmail's format, with more behind it:
 *
 *   KEY:HOST[:PORT][,HOST2[:PORT2]] [OPTION...]
 *
 * KEY, the first that is there counts:
 *   DOMAIN, .DOMAIN   mail for DOMAIN (also an address literal), for all below DOMAIN
 *   USER@DOMAIN       mail from that envelope sender
 *   @DOMAIN           mail from all senders of DOMAIN
 *   (empty)           everything else
 * HOST is a name (its addresses are used, never its MX), an IPv4 address or [IPv6]; an empty HOST
 * means: by MX as usual. `lmtp:HOST:PORT` and `lmtp:/PATH`, a socket of this host, are spoken to in
 * LMTP (RFC 2033). HOST2 takes what HOST did not. PORT defaults to 25, with `implicit` to
 * 465. OPTIONs, after blanks: `tls=LEVEL[=NAME]` (lib/tlspolicy.h), `implicit` (TLS from the first
 * byte, RFC 8314: the default at port 465) or `starttls`, `auth=REFERENCE` (a user and password in
 * `authroutes`), `clear-auth` (also without TLS). */
#ifndef EKIDEN_SMTPROUTES_H
#define EKIDEN_SMTPROUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/control.h"
#include "lib/table.h"
#include "lib/tlspolicy.h"

#define SMTPROUTES_HOST_MAX       256 /* with NUL */
#define SMTPROUTES_HOSTS_MAX      2
#define SMTPROUTES_REFERENCE_SIZE 65  /* with NUL */
#define SMTPROUTES_SOCKET_MAX     108 /* with NUL: what the kernel takes (unix(7)) */

struct smtproute_host {
    /* NUL-terminated, lower case. By MX the domain as it was given, a literal in its brackets;
     * else a name, or an address without brackets; or a socket's path, case kept, with its `/`. */
    char name[SMTPROUTES_HOST_MAX];
    uint16_t port; /* 0 for a socket's path */
    bool implicit; /* TLS from the first byte */
    bool lmtp;     /* RFC 2033; never by MX */
};
struct smtproute {
    bool by_mx; /* no entry, or one with an empty HOST; then there is one host */
    unsigned int count;
    struct smtproute_host hosts[SMTPROUTES_HOSTS_MAX]; /* in the order in which they are tried */
    struct tlspolicy tls;                 /* TLSPOLICY_UNSET: `tlspolicy` says, or the default */
    char auth[SMTPROUTES_REFERENCE_SIZE]; /* key in `authroutes`; empty: no AUTH */
    bool clear_auth;                      /* AUTH without TLS, too */
};

/* As table_load. */
enum control_result smtproutes_load(struct table *table, struct control const *control,
                                    struct control_error *error);

/* The way to DOMAIN (any case) for mail from SENDER (an unquoted envelope address; empty: the null
 * sender, for which no entry by sender counts). The entry for the domain itself counts first, then
 * those of its parents, the longer before the shorter, then those for the sender and for its
 * domain, then the one for everything. False when DOMAIN is empty or too long. */
bool smtproutes_find(struct table const *table, char const *domain, size_t length,
                     char const *sender, struct smtproute *route);

/* True for the NAME of a host that is a socket's path; for a ROUTE that has such a host. */
bool smtproutes_is_socket(char const *name);

bool smtproutes_has_socket(struct smtproute const *route);

/* True when A and B are one way: one connection can serve both. */
bool smtproutes_are_same(struct smtproute const *a, struct smtproute const *b);
/* The same number for the same way. KEY is random: nobody outside can make a domain that has the
 * number of another. */
uint64_t smtproutes_sum(struct smtproute const *route, uint64_t key);

/* True for a REFERENCE: 1 to 64 letters, digits, `.`, `-`, `_`, `@`. */
bool smtproutes_is_reference(char const *text, size_t length);

#endif
