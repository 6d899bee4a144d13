/* Where a recipient's mail goes: one look-up for the check at RCPT and for delivery, so that the
 * two always agree.
 *
 * Control files: `me`, `localiphost`, `locals`, `virtualdomains`, `users`, `aliases`
 * (lib/aliases.h) and `systemusers` (lib/accounts.h), as in qmail where qmail has them. The look-up
 * of a recipient LOCAL@DOMAIN:
 *   1. DOMAIN in locals (default: me): the mailbox name is LOCAL.
 *   2. virtualdomains (`LOCAL@DOMAIN`, `DOMAIN`, `.PARENT`, or empty for everything): the mailbox
 *      name is PREFIX-LOCAL; an empty prefix means: not virtual. As in qmail a domain in locals is
 *      never virtual, so that an empty key does not swallow our own.
 *   3. else remote.
 * A mailbox name is looked up in lower case: in `aliases` (`LOCAL@DOMAIN`, then the name), in
 * `users` (the same two), among the accounts of `systemusers` (the name); then in users and
 * accounts cut at the last `-`, again and again, the rest being the extension; at last `@DOMAIN` in
 * `aliases`. A `users` line is `NAME`, `NAME:PATH`, `NAME@DOMAIN` or `NAME@DOMAIN:PATH`; PATH is
 * the mailbox folder below the mail root (default NAME; for NAME@DOMAIN it is DOMAIN/NAME; in lower
 * case). A local part with a `/`, an `@` or control characters, or that begins with `.`, has no
 * mailbox. `postmaster` is always there (RFC 5321 4.5.1), and `abuse` and `mailer-daemon` go where
 * postmaster goes; each may be listed to go elsewhere. `postmaster` without a domain is
 * postmaster@me, which is ours even where me is not in locals. */
#ifndef EKIDEN_ROUTING_H
#define EKIDEN_ROUTING_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/accounts.h"
#include "lib/control.h"
#include "lib/table.h"

#define ROUTING_MAILBOX_MAX 512
#define ROUTING_OWNER_MAX   (ROUTING_MAILBOX_MAX + 256)

struct routing {
    char *me;          /* owned, NUL-terminated, lower case */
    char *localiphost; /* owned; default: me */
    struct table locals, virtualdomains, users, aliases;
    struct accounts accounts;
};

enum route_kind {
    ROUTE_MAILBOX, /* ours, and the mailbox exists */
    ROUTE_SYSTEM,  /* ours, an account of this machine: whether its .qmail files know the extension
                      is seen at delivery only, as in qmail */
    ROUTE_ALIAS,   /* ours, goes on to other addresses */
    ROUTE_UNKNOWN, /* ours, and there is no such mailbox: 550 5.1.1 */
    ROUTE_REMOTE   /* not ours */
};

struct route {
    enum route_kind kind;
    char mailbox[ROUTING_MAILBOX_MAX]; /* ROUTE_MAILBOX: folder below the mail root, NUL-terminated,
                                          relative, no `.` or `..` component; ROUTE_SYSTEM: the
                                          account */
    char extension[ROUTING_MAILBOX_MAX]; /* what followed the name's `-`; empty without */
    char const *targets; /* ROUTE_ALIAS: separated by LF, not NUL-terminated, valid until the
                            routing is freed */
    size_t targets_length;
    char owner[ROUTING_OWNER_MAX]; /* ROUTE_ALIAS: the sender of what goes on, where there is an
                                      alias `owner-NAME`; else empty */
};

/* Loads the files above. Without `me` the host's name is used. On ERROR *routing is untouched. */
enum control_result routing_load(struct routing *routing, struct control const *control,
                                 struct control_error *error);
void routing_free(struct routing *routing);

/* True when DOMAIN is in locals (default: me). */
bool routing_is_local(struct routing const *routing, char const *domain, size_t length);

/* Finds the route of ADDRESS, an unquoted address as in the envelope (domain after the last `@`;
 * without an `@` the domain is me, and the address ours whatever locals says). An address literal
 * is not ours here: smtpd has replaced one that names us by localiphost before. */
void routing_find(struct routing const *routing, char const *address, size_t length,
                  struct route *route);

#endif
