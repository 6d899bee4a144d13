/* A process for one remote job. It is the only one that meets another host's bytes, and so the one
 * that is not believed: what it answers is checked by the master (remote_master.h).
 * Between the two: packets of lib/packet.h, each one answer of deliver/job.h, or `L` and a digit:
 * the login of that way of the route (0, 1) was refused. */
#ifndef EKIDEN_REMOTE_CHILD_H
#define EKIDEN_REMOTE_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <skalibs/tai.h>

#include "deliver/job.h"
#include "deliver/remote_job.h"
#include "deliver/remote_refusals.h"
#include "deliver/remote_settings.h"

struct remote_child {
    pid_t pid;
    int socket;                  /* answers come from here */
    struct smtproute route;      /* of its job */
    tain deadline;               /* it is ended then */
    unsigned int count, waiting; /* recipients; those that are not answered */
    uint64_t numbers[REMOTE_JOB_RECIPIENTS_MAX];
    bool answered[REMOTE_JOB_RECIPIENTS_MAX];
};

/* Starts a process that delivers JOB's message, which lies in DESCRIPTOR; both stay the caller's,
 * as does TLS_SERVICE, where it asks for TLS (-1: nowhere). Ways among REFUSALS are not gone.
 * False: errno. */
bool remote_child_start(struct remote_child *child, struct remote_job const *job, int descriptor,
                        int tls_service, struct remote_settings *settings,
                        struct remote_refusals const *refusals);

enum remote_child_result {
    REMOTE_CHILD_ANSWER, /* *answer is for the scheduler; its text points into BUFFER */
    REMOTE_CHILD_NONE,   /* nothing after all; perhaps REFUSALS has one more */
    REMOTE_CHILD_ENDED,  /* it closed its end */
    REMOTE_CHILD_BROKEN  /* it answered what it was not asked, or no answer at all */
};
#define REMOTE_CHILD_BUFFER (JOB_TEXT_MAX + 64)

/* Takes one answer, when poll says that one waits, or notes a login that was refused. */
enum remote_child_result remote_child_receive(struct remote_child *child, struct job_answer *answer,
                                              char buffer[REMOTE_CHILD_BUFFER],
                                              struct remote_refusals *refusals);

/* Ends the process and waits for it; logs when it did not end by itself and well. */
void remote_child_end(struct remote_child *child);

#endif
