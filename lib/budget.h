/* What somebody may do in a period, as one number: the time at which the budget is whole again.
 * What is taken moves it on by its share of the period; where that would pass now plus a period, so
 * much is not left. So there is no timer and nothing to reset, and a budget whose time has come is
 * worth nothing and need not be kept. */
#ifndef EKIDEN_BUDGET_H
#define EKIDEN_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#define BUDGET_HOUR UINT64_C(3600000000) /* microseconds */

/* Takes COUNT out of *budget, of which there are WHOLE (0: no bound) in a PERIOD, at the time NOW
 * in microseconds. False, and nothing is taken, when so much is not left. A *budget further ahead
 * than a period was written before the clock was set back, or for another period: it is whole. */
bool budget_take(uint64_t *budget, uint64_t now, uint64_t period, uint64_t whole, uint64_t count);

/* How much is left; UINT64_MAX when there is no bound. */
uint64_t budget_left(uint64_t budget, uint64_t now, uint64_t period, uint64_t whole);

/* After how many microseconds COUNT can be taken; 0: now; UINT64_MAX: never. */
uint64_t budget_wait(uint64_t budget, uint64_t now, uint64_t period, uint64_t whole,
                     uint64_t count);

#endif
