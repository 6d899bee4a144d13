/* What a login may send in an hour. */
#ifndef EKIDEN_SPENDING_H
#define EKIDEN_SPENDING_H

#include <stdint.h>

#include "auth/remembered.h"

#define SPENDING_MESSAGES   500 /* defaults an hour */
#define SPENDING_RECIPIENTS 2000

enum spending_result {
    SPENDING_GRANTED,
    SPENDING_MESSAGES_OVER,
    SPENDING_RECIPIENTS_OVER,
    SPENDING_FAILED /* the store: logged */
};

/* Takes one message and RECIPIENTS out of the budgets of LOGIN, at the time NOW in microseconds, or
 * nothing. MESSAGES and RECIPIENTS_HOUR are an hour's; 0: no bound. */
enum spending_result spending_take(struct store *store, uint64_t now, char const *login,
                                   uint64_t recipients, uint64_t messages,
                                   uint64_t recipients_hour);

#endif
