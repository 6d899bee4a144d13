/* What a login may send in an hour: ekiden-auth counts. */
#ifndef EKIDEN_BUDGET_H
#define EKIDEN_BUDGET_H

#include <stdbool.h>

#include "smtpd/session.h"

/* Spends one message to the recipients of the open transaction from the budget of who has logged
 * in; nobody has: nothing to spend. False: refused (450 4.7.1 when it is over) and logged. */
bool budget_spend(struct session *session);

#endif
