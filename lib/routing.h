/* Where a recipient's mail goes: one look-up for the check at RCPT and for delivery, so that the
 * two always agree.
 *
 * Control files: `me`, `localiphost`, `locals`, `virtualdomains`, `users`, as in qmail where qmail
 * has them. The look-up of a recipient LOCAL@DOMAIN:
 *   1. DOMAIN in locals (default: me): the mailbox name is LOCAL.
 *   2. virtualdomains (`LOCAL@DOMAIN`, `DOMAIN`, `.PARENT`, or empty for everything): the mailbox
 *      name is PREFIX-LOCAL; an empty prefix means: not virtual. As in qmail a domain in locals is
 *      never virtual, so that an empty key does not swallow our own.
 *   3. else remote.
 * A mailbox name is looked up in `users`, in lower case: first `LOCAL@DOMAIN`, then the name; then
 * both cut at the last `-`, again and again, the rest being the extension.
 * A `users` line is `NAME`, `NAME:PATH`, `NAME@DOMAIN` or `NAME@DOMAIN:PATH`; PATH is the mailbox
 * folder below the mail root (default NAME; for NAME@DOMAIN it is DOMAIN/NAME; in lower case).
 * A local part with a `/`, an `@` or control characters, or that begins with `.`, has no mailbox.
 * `postmaster` is always there (RFC 5321 4.5.1), and `abuse` and `mailer-daemon` go where
 * postmaster goes; each may be listed to go elsewhere. `postmaster` without a domain is
 * postmaster@me, which is ours even where me is not in locals. */
#ifndef EKIDEN_ROUTING_H
#define EKIDEN_ROUTING_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/control.h"
#include "lib/table.h"

#define ROUTING_MAILBOX_MAX 512

struct routing {
    char *me;          /* owned, NUL-terminated, lower case */
    char *localiphost; /* owned; default: me */
    struct table locals, virtualdomains, users;
};

enum route_kind {
    ROUTE_MAILBOX, /* ours, and the mailbox exists */
    ROUTE_UNKNOWN, /* ours, and there is no such mailbox: 550 5.1.1 */
    ROUTE_REMOTE   /* not ours */
};

struct route {
    enum route_kind kind;
    char mailbox[ROUTING_MAILBOX_MAX]; /* ROUTE_MAILBOX: folder below the mail root, NUL-terminated,
                                          relative, no `.` or `..` component */
    char extension[ROUTING_MAILBOX_MAX]; /* what followed the name's `-`; empty without */
};

/* Loads the files above. Without `me` the host's name is used. On ERROR *routing is untouched. */
enum control_result routing_load(struct routing *routing, struct control const *control,
                                 struct control_error *error);
void routing_free(struct routing *routing);

/* Finds the route of ADDRESS, an unquoted address as in the envelope (domain after the last `@`;
 * without an `@` the domain is me). An address literal is not ours here: smtpd has replaced one
 * that names us by localiphost before. */
void routing_find(struct routing const *routing, char const *address, size_t length,
                  struct route *route);

#endif
