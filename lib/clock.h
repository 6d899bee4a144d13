/* Time that nobody sets. */
#ifndef EKIDEN_CLOCK_H
#define EKIDEN_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Seconds, milliseconds and microseconds of CLOCK_MONOTONIC. */
time_t clock_seconds(void);
int64_t clock_milliseconds(void);
int64_t clock_microseconds(void);

#endif
