/* Time that nobody sets. */
#ifndef EKIDEN_CLOCK_H
#define EKIDEN_CLOCK_H

#include <time.h>

/* Seconds of CLOCK_MONOTONIC. */
time_t clock_seconds(void);

#endif
