#include "auth/spending.h"

#include <string.h>

#include "lib/budget.h"

enum spending_result spending_take(struct store *store, uint64_t now, char const *login,
                                   uint64_t recipients, uint64_t messages, uint64_t recipients_hour)
{
    struct store_record record;
    struct store_key key;
    enum spending_result over = SPENDING_GRANTED;
    if (!messages && !recipients_hour)
        return SPENDING_GRANTED;
    if (!store_begin(store, now))
        return SPENDING_FAILED;
    store_make_key(store, &key, 'b', login, strlen(login));
    if (!store_get(store, REMEMBERED_BUDGETS, &key, &record))
        return SPENDING_FAILED;
    if (!budget_take(&record.times[0], now, BUDGET_HOUR, messages, 1))
        over = SPENDING_MESSAGES_OVER;
    else if (!budget_take(&record.times[1], now, BUDGET_HOUR, recipients_hour, recipients))
        over = SPENDING_RECIPIENTS_OVER;
    if (over != SPENDING_GRANTED) {
        store_abort(store);
        return over;
    }
    return store_put(store, REMEMBERED_BUDGETS, &key, &record) && store_commit(store)
               ? SPENDING_GRANTED
               : SPENDING_FAILED;
}
