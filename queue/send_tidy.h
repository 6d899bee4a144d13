/* Looks through the folders of the queue that no message lies in, when the scheduler starts and
 * every hour: the queue itself, wheel/, asked/ and notes/. What does not belong there is set aside
 * (queue/send_odd.h), slots that are missing are made, and notes whose message is gone are removed:
 * slowly, since each of these is looked for in every folder. */
#ifndef EKIDEN_SEND_TIDY_H
#define EKIDEN_SEND_TIDY_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/send_folder.h"

struct send;

struct send_tidy {
    struct send_folder folder; /* the one that is read; its stream is NULL between two */
    int next;                  /* the place to read next, 0: none, the round is over */
    uint64_t again;            /* seconds of the monotonic clock: the next turn, or round */
};

/* One turn at CLOCK (seconds of the monotonic clock). True when there is more to do at once. */
bool send_tidy_turn(struct send *send, uint64_t clock);

#endif
