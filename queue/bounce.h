/* One order to report, from the queue file to the answer: who is told, of what, or nobody. */
#ifndef EKIDEN_BOUNCE_H
#define EKIDEN_BOUNCE_H

#include "deliver/failure.h"
#include "queue/bounce_failures.h"
#include "queue/bounce_settings.h"
#include "queue/queue_count.h"
#include "queue/queue_file.h"
#include "queue/report_job.h"

struct bounce {
    int folder;                /* new/ of the queue */
    int wake;                  /* the scheduler's FIFO, -1: none */
    struct queue_count *count; /* NULL: none */
    struct bounce_settings settings;
    struct bounce_failures failures; /* of the job at hand */
    struct queue_file file;          /* its report */
};

/* Does JOB about the message in the queue file MESSAGE and its NOTES (descriptors that stay the
 * caller's). ANSWER is JOB_DELIVERED when the report is durable in the queue, or when there is to
 * be none, or JOB_DEFERRED. Logs what became of it.
 *
 * Who is told of a failure (RFC 5321 4.5.5, 6.1): the sender. For the null sender it is the
 * postmaster (a double bounce, with the sender BOUNCE_DOUBLE_SENDER), for that one nobody. Of a
 * delay only a sender is told that would want it: no list, no bulk, no automatic mail. */
void bounce_serve(struct bounce *bounce, struct report_job const *job, int message, int notes,
                  struct failure *answer);

#define BOUNCE_DOUBLE_SENDER "#@[]" /* qmail's; cannot come from outside, and leaves as null */

#endif
