/* The messages of the queue in the order in which they came, however many there are, in the same
 * memory: names are chosen from the folders QUEUE_WALK_BATCH at a time, in as many passes as that
 * takes, and no file is opened before its turn. */
#ifndef EKIDEN_QUEUE_WALK_H
#define EKIDEN_QUEUE_WALK_H

#include <stdbool.h>

#include "queue/queue_file.h"

#define QUEUE_WALK_BATCH 16384

/* Called for each: DESCRIPTOR is open for reading, and closed afterwards; it may be of anything
 * that has a queue file's name, but a link. False stops. */
typedef bool queue_walk_func(void *context, int place, char const *id, int descriptor);

/* Called with the path of what has a folder's name and is none. It is passed over. */
typedef void queue_walk_odd_func(char const *path);

/* Calls EACH for all messages of the folder QUEUE that were there when it began, of bad/ as well
 * where BAD says so. What is moved while this goes on may be passed over, and comes once at most.
 * False: errno when a folder could not be read (0 when EACH stopped it). ODD may be NULL. */
bool queue_walk(int queue, bool bad, queue_walk_func *each, queue_walk_odd_func *odd,
                void *context);

#endif
