/* A process for remote jobs of one way, one after the other. It is the only one that meets another
 * host's bytes, and so the one that is not believed: what it answers is checked by the master
 * (remote_master.h).
 * Between the two: packets of lib/packet.h. From the process each is an answer of deliver/job.h, or
 * a letter of remote_process.h; `I` may stand before the last answer to a job. To it each is a job
 * as it came from the scheduler (remote_job.h), with the descriptor, and only while it is idle; the
 * end of them is its leave. */
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

enum remote_child_state {
    REMOTE_CHILD_BUSY,   /* with a job; all recipients may be answered already */
    REMOTE_CHILD_IDLE,   /* it has a connection, for another job of its way */
    REMOTE_CHILD_LEAVING /* it was let go */
};

struct remote_child {
    pid_t pid;
    int socket; /* answers come from here, jobs go there */
    enum remote_child_state state;
    struct smtproute route;      /* of all its jobs */
    uint64_t serial;             /* the master's number of its settings */
    tain deadline;               /* BUSY, LEAVING: it is ended then. IDLE: it is let go */
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

/* Gives JOB to CHILD, which is idle and whose way it is; BYTES is its wire form, LENGTH long. The
 * rest as above. Never waits. False: it could not be sent (a process of its own may still do it),
 * and the child is as before. */
bool remote_child_give(struct remote_child *child, struct remote_job const *job, char const *bytes,
                       size_t length, int descriptor, struct remote_settings const *settings);

/* Lets go of an idle child: it says QUIT, within seconds, and ends. */
void remote_child_let_go(struct remote_child *child);

enum remote_child_result {
    REMOTE_CHILD_ANSWER, /* *answer is for the scheduler; its text points into BUFFER */
    REMOTE_CHILD_NONE,   /* no answer; perhaps a new state, or one more in REFUSALS */
    REMOTE_CHILD_ENDED,  /* it closed its end */
    REMOTE_CHILD_BROKEN  /* it answered what it was not asked, or no answer at all */
};
#define REMOTE_CHILD_BUFFER (JOB_TEXT_MAX + 64)

/* Takes one packet, when poll says that one waits. */
enum remote_child_result remote_child_receive(struct remote_child *child, struct job_answer *answer,
                                              char buffer[REMOTE_CHILD_BUFFER],
                                              struct remote_refusals *refusals);

/* Ends the process and waits for it; logs when it did not end by itself and well. */
void remote_child_end(struct remote_child *child);

#endif
