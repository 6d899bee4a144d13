#include "queue/send_schedule.h"

#include <time.h>

#define AGE_MAX (UINT64_C(1) << 40) /* seconds: keeps the arithmetic far from its bounds */

uint64_t send_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec > 0 ? (uint64_t)now.tv_sec : 0;
}

uint64_t send_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

uint64_t send_clock_milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Of a number below 2^40: no libm for one square root. */
static uint64_t square_root(uint64_t number)
{
    uint64_t root = 0;
    for (uint64_t bit = UINT64_C(1) << 20; bit; bit >>= 1)
        if ((root + bit) * (root + bit) <= number)
            root += bit;
    return root;
}

static uint64_t age_of(uint64_t arrival, uint64_t now)
{
    uint64_t const age = now > arrival ? now - arrival : 0;
    return age < AGE_MAX ? age : AGE_MAX;
}

uint64_t send_schedule_delay(uint64_t arrival, uint64_t now, uint16_t random, uint64_t longest)
{
    uint64_t const age = age_of(arrival, now);
    /* (sqrt(age) + 10)^2 - age, but without the rounding of the root squared. */
    uint64_t delay = 20 * square_root(age) + 100;
    delay += delay * random / (10 * UINT64_C(65536));
    if (delay < SEND_SCHEDULE_SHORTEST)
        delay = SEND_SCHEDULE_SHORTEST;
    return delay < longest ? delay : longest;
}

bool send_schedule_is_expired(uint64_t arrival, uint64_t now, uint64_t lifetime)
{
    return age_of(arrival, now) > lifetime;
}
