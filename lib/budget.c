#include "lib/budget.h"

static uint64_t begin_of(uint64_t budget, uint64_t now, uint64_t period)
{
    return budget > now && budget <= now + period ? budget : now;
}

bool budget_take(uint64_t *budget, uint64_t now, uint64_t period, uint64_t whole, uint64_t count)
{
    if (!whole)
        return true;
    if (count > whole || count > UINT64_MAX / period)
        return false;
    uint64_t const after = begin_of(*budget, now, period) + period * count / whole;
    if (after > now + period)
        return false;
    *budget = after;
    return true;
}

uint64_t budget_wait(uint64_t budget, uint64_t now, uint64_t period, uint64_t whole, uint64_t count)
{
    uint64_t after = budget;
    if (!whole || budget_take(&after, now, period, whole, count))
        return 0;
    if (count > whole || count > UINT64_MAX / period)
        return UINT64_MAX;
    return begin_of(budget, now, period) + period * count / whole - (now + period);
}

uint64_t budget_left(uint64_t budget, uint64_t now, uint64_t period, uint64_t whole)
{
    uint64_t const spent = begin_of(budget, now, period) - now;
    if (!whole || whole > UINT64_MAX / period - 1)
        return UINT64_MAX;
    /* What is taken is rounded down to a microsecond: so as much may be left as rounding up says.
     */
    uint64_t const left = ((period - spent + 1) * whole - 1) / period;
    return left < whole ? left : whole;
}
