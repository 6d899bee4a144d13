/* What an operator does to a message that nobody is trying to deliver: renames and removals, and
 * marks for what is to be reported. The caller is the scheduler, or holds queue/lock in its place.
 *
 * Renames and removals are not synced, as those of the scheduler are not: a crash may undo them,
 * and the message is as it was before. Only a cancelled delivery is durable before it is said to be
 * done: note, then mark, as with each failure (queue/send_finish.c); the report is then made as for
 * all failures, also after a crash. */
#ifndef EKIDEN_QUEUE_OPERATE_H
#define EKIDEN_QUEUE_OPERATE_H

#include "queue/queue_control.h"
#include "queue/queue_count.h"

/* What recipients of a cancelled message fail with; and where some were in an agent's hands that
 * has not said what became of them. */
#define QUEUE_OPERATE_CANCELLED "5.7.1 the operator of this server has cancelled the delivery"
#define QUEUE_OPERATE_UNSURE                                                                       \
    QUEUE_OPERATE_CANCELLED "; it may have been under way and have succeeded"

/* The hands that do it: the scheduler's, or those of who holds the lock. */
struct queue_hands {
    int queue;                 /* the folder */
    int wake;                  /* its FIFO (queue/wake.h), or -1 */
    struct queue_count *count; /* or NULL */
};

/* Does REQUEST and sets *ANSWER. (A scheduler that runs does QUEUE_RETRY_ALL itself: here it is
 * for the next one.) */
void queue_operate(struct queue_hands const *hands, struct queue_request const *request,
                   struct queue_answer *answer);

/* Logs ANSWER to REQUEST: who asked for what, and what became of it. */
void queue_operate_log(struct queue_request const *request, struct queue_answer const *answer);

#endif
