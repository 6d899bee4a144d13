/* The wake FIFO, the scheduler's side: the ids of new messages as injectors write them. */
#ifndef EKIDEN_SEND_WAKE_H
#define EKIDEN_SEND_WAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "queue/queue_file.h"

#define SEND_WAKE_BUFFER 2100 /* bytes: 100 ids */

struct send_wake {
    int descriptor;  /* owned, non-blocking, opened for both directions: never at its end */
    size_t capacity; /* bytes that the FIFO holds */
    bool overflow;   /* it was nearly full: injectors may have dropped ids, look through new/ */
    bool skipping;   /* in a line that is too long */
    bool dry;        /* the last read found nothing; set false when poll finds something */
    size_t begin, end;
    char bytes[SEND_WAKE_BUFFER];
};

/* Opens the FIFO `wake` of the folder QUEUE and makes it large. False: errno. */
bool send_wake_open(struct send_wake *wake, int queue);

/* The next id. False when there is none now. Lines that are not the name of a queue file are
 * skipped: the FIFO is a hint, not a source that is trusted. */
bool send_wake_next(struct send_wake *wake, char id[QUEUE_ID_LENGTH + 1]);

#endif
