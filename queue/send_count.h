/* Counts the files of the queue, for queue/queue_count.h. Only where there is a `maxqueue`: at the
 * start of the scheduler, when the setting comes, and every hour.
 *
 * It is done in one turn of the loop, in which no message ends or is moved, for these are the
 * scheduler's doing: counted bit by bit the number was wrong by what went from a folder that was
 * still to be read to one that had been, or the other way round, until the next count. Before that
 * the folders are read once a few in a turn, for nothing but to have them in memory: so it takes
 * milliseconds then, where a disk could take seconds. */
#ifndef EKIDEN_SEND_COUNT_H
#define EKIDEN_SEND_COUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/queue_count.h"
#include "queue/send_folder.h"

struct send_count {
    struct queue_count *shared; /* NULL: there is none, and nothing is counted */
    struct send_folder folder;  /* the one that is read ahead; its stream is NULL between two */
    int next;                   /* the place to read ahead next */
    bool counting;
    uint64_t again; /* the next count, on the monotonic clock */
};

/* One turn at CLOCK (seconds of the monotonic clock); WANTED: there is a maxqueue. True when there
 * is more to do at once. */
bool send_count_turn(struct send_count *count, int queue, bool wanted, uint64_t clock);

#endif
