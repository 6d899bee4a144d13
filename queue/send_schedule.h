/* When a message is tried again. */
#ifndef EKIDEN_SEND_SCHEDULE_H
#define EKIDEN_SEND_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

/* Seconds since 1970, and of the clock that is never set. */
uint64_t send_now(void);
uint64_t send_clock(void);
uint64_t send_clock_milliseconds(void);

#define SEND_SCHEDULE_SHORTEST 60 /* seconds */

/* Seconds from NOW to the next try of a message that came at ARRIVAL (both in seconds since 1970):
 * qmail's schedule, arrival + (sqrt(age) + 10)^2, and up to a tenth more, chosen by RANDOM, so that
 * what failed together does not come back together. Never more than LONGEST. An arrival that lies
 * in the future, as after a clock was set back, counts as just now. */
uint64_t send_schedule_delay(uint64_t arrival, uint64_t now, uint16_t random, uint64_t longest);

/* True when the message is older than LIFETIME seconds. */
bool send_schedule_is_expired(uint64_t arrival, uint64_t now, uint64_t lifetime);

#endif
