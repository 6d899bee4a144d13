/* The way to whoever changes the queue: the scheduler, asked at its socket; or, while none runs,
 * this process itself, with the queue's lock for the time of one operation, so that a scheduler
 * that starts waits for no more than that. */
#ifndef EKIDEN_QUEUE_LINK_H
#define EKIDEN_QUEUE_LINK_H

#include <stdbool.h>

#include "queue/queue_operate.h"

/* Called with each answer, in the order of the requests. */
typedef void queue_link_answer_func(void *context, struct queue_answer const *answer);

struct queue_link {
    struct queue_hands hands; /* the folder is not owned */
    int socket;               /* -1: no scheduler */
    unsigned int awaited;     /* requests without an answer */
    char const *why;          /* after a failure: what failed; errno says more, or is 0 */
    queue_link_answer_func *answer;
    void *context;
};

/* QUEUE is the folder. Connects, where a scheduler listens. */
void queue_link_start(struct queue_link *link, int queue, queue_link_answer_func *answer,
                      void *context);

/* Sends REQUEST, or does it; answers that have come are passed on. False: link->why. */
bool queue_link_ask(struct queue_link *link, struct queue_request const *request);

/* Waits for the answers that are still to come. False: link->why. */
bool queue_link_end(struct queue_link *link);

#endif
