#include "lib/budget.h"

bool budget_take(uint64_t *budget, uint64_t now, uint64_t per_hour, uint64_t count)
{
    if (!per_hour)
        return true;
    if (count > per_hour || count > UINT64_MAX / BUDGET_HOUR)
        return false;
    uint64_t const begin = *budget > now && *budget <= now + BUDGET_HOUR ? *budget : now;
    uint64_t const after = begin + BUDGET_HOUR * count / per_hour;
    if (after > now + BUDGET_HOUR)
        return false;
    *budget = after;
    return true;
}
