/* Why a message was not delivered, in the words of the answer: an enhanced status code (RFC 3463)
 * and a text that helps the operator, and the sender once it stands in a bounce. */
#ifndef EKIDEN_FAILURE_H
#define EKIDEN_FAILURE_H

#include "deliver/job.h"

struct failure {
    enum job_result result; /* JOB_DELIVERED: nothing failed so far */
    char text[JOB_TEXT_MAX + 1];
};

/* Forgets what was there. */
void failure_clear(struct failure *failure);

/* Takes TEXT, with its enhanced code, as it is. */
void failure_set(struct failure *failure, enum job_result result, char const *text);

/* A system call failed: "4.2.2 WHAT MAILBOX: error" for a full disk or quota, else "4.3.0 ...". All
 * of it is temporary: each of these can be repaired while the message waits. MAILBOX may be empty.
 * NUMBER is an errno value. */
void failure_system(struct failure *failure, char const *what, char const *mailbox, int number);

#endif
