/* Reports on mail that we never sent: senders that are signed, and what comes back to them
 * (lib/batv.h). */
#ifndef EKIDEN_BOUNCE_POLICY_H
#define EKIDEN_BOUNCE_POLICY_H

#include <stdbool.h>

#include "smtpd/policy.h"

/* Takes the signature off ADDRESS where it is a signed one of ours. POLICY_BATV: it has been, and
 * was good; POLICY_WELCOME: it is none; else the refusal. */
enum policy_rule bounce_policy_unwrap(struct connection const *connection, struct address *address);

/* May a message of the null sender go to ADDRESS, which is not signed, and was accepted by RIGHT
 * otherwise? RIGHT, or POLICY_BATVCHECK. */
enum policy_rule bounce_policy_check(struct connection const *connection, enum policy_rule right,
                                     struct address const *address);

#endif
