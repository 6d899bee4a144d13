/* `queuelifetime`: what the scheduler goes by, and what a report of a delay promises. */
#ifndef EKIDEN_QUEUE_LIFETIME_H
#define EKIDEN_QUEUE_LIFETIME_H

#include <stdint.h>

#define QUEUE_LIFETIME_DEFAULT 604800                       /* seconds: a week */
#define QUEUE_LIFETIME_MAX     (UINT64_C(10) * 366 * 86400) /* ten years */

#endif
