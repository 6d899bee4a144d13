/* The control files badmailfrom, badrcptto and badhelo, each a rule of smtpd/policy.h. */
#ifndef EKIDEN_BAD_LISTS_H
#define EKIDEN_BAD_LISTS_H

#include <stdbool.h>

#include "lib/address.h"
#include "smtpd/connection.h"

bool bad_lists_has_sender(struct connection const *connection, struct address const *sender);

/* Never for clients that are exempt: they may write to whom others may not. */
bool bad_lists_has_recipient(struct connection const *connection, struct address const *recipient);

#endif
