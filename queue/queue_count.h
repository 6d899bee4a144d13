/* How many messages the queue holds, in the file `count` of the queue, which everybody maps who
 * adds to the queue, takes from it, or wants to know. So nobody has to read 100,000 names to learn
 * it: an addition in memory is what a message costs.
 *
 * Counted are new/, the wheel and hold/. It is a hint and never synced: whoever is killed between a
 * change and its count leaves it wrong by one. The scheduler counts the files anew
 * (queue/send_count.h). */
#ifndef EKIDEN_QUEUE_COUNT_H
#define EKIDEN_QUEUE_COUNT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define QUEUE_COUNT_FILE "count"

struct queue_count {
    _Atomic int64_t messages;
};

/* Opens the file below QUEUE, for changes or to look. -1: errno; it is missing, or no file of the
 * right size. */
int queue_count_open(int queue, bool changes);

/* Maps what queue_count_open gave; the descriptor stays the caller's, and a map stays when it is
 * closed. What was opened to look can only be looked at. NULL: errno. */
struct queue_count *queue_count_map(int descriptor, bool changes);

/* Both, for changes, in one. NULL: it is done without, and that is no failure of the caller's. */
struct queue_count *queue_count_use(int queue);

void queue_count_unmap(struct queue_count const *count);

/* CHANGE messages have come (or gone). COUNT may be NULL. */
void queue_count_add(struct queue_count *count, int64_t change);

/* Never below 0; 0 where COUNT is NULL. */
uint64_t queue_count_messages(struct queue_count const *count);

#endif
