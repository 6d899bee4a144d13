/* Counts the files of the queue, for queue/queue_count.h: bit by bit, a few folders in a turn of
 * the loop, so that 100,000 of them hold up nothing. Only where there is a `maxqueue`: at the start
 * of the scheduler, when the setting comes, and every hour.
 *
 * What comes meanwhile is counted, because new/ is read last; the result is wrong by the messages
 * that ended or were moved during the count, until the next one. */
#ifndef EKIDEN_SEND_COUNT_H
#define EKIDEN_SEND_COUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/queue_count.h"
#include "queue/send_folder.h"

struct send_count {
    struct queue_count *shared; /* NULL: there is none, and nothing is counted */
    struct send_folder folder;  /* the one that is read; its stream is NULL between two */
    int next;                   /* the place to read next */
    bool counting;
    int64_t found;
    uint64_t again; /* the next count, on the monotonic clock */
};

/* One turn at CLOCK (seconds of the monotonic clock); WANTED: there is a maxqueue. True when there
 * is more to do at once. */
bool send_count_turn(struct send_count *count, int queue, bool wanted, uint64_t clock);

#endif
