/* What agents have in hand, by its number: deliveries, one a recipient, and reports. */
#ifndef EKIDEN_SEND_JOBS_H
#define EKIDEN_SEND_JOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "deliver/remote_job.h"
#include "queue/send_active.h"
#include "queue/send_transactions.h"

#define SEND_JOBS_LOCAL_MAX   500
#define SEND_JOBS_REPORTS_MAX 4 /* more would only wait for the same disk */
#define SEND_JOBS_MAX                                                                              \
    (SEND_JOBS_LOCAL_MAX + SEND_JOBS_REPORTS_MAX +                                                 \
     SEND_TRANSACTIONS_MAX * REMOTE_JOB_RECIPIENTS_MAX)

#define SEND_JOB_REPORT UINT32_MAX /* in place of a recipient */

struct send_job {
    struct send_message *message; /* NULL: a free place */
    uint32_t recipient;           /* its index, or SEND_JOB_REPORT */
    unsigned int agent;
    unsigned int transaction; /* of a remote delivery: its number in send_transactions */
    unsigned int next_free;   /* of a free place */
    uint64_t number; /* serial * SEND_JOBS_MAX + place: a late answer never fits another job */
};

struct send_jobs {
    struct send_job jobs[SEND_JOBS_MAX];
    unsigned int used; /* places from here on were never touched: most of them never are */
    unsigned int free; /* the first free one of those before, SEND_JOBS_MAX: none */
    unsigned int count;
    uint64_t serial;
};
void send_jobs_start(struct send_jobs *jobs);

/* Notes a job of AGENT; the caller sets the transaction. There must be room. */
struct send_job *send_jobs_add(struct send_jobs *jobs, struct send_message *message,
                               uint32_t recipient, unsigned int agent);
/* The job NUMBER when AGENT has it, else NULL. */
struct send_job *send_jobs_find(struct send_jobs *jobs, uint64_t number, unsigned int agent);
void send_jobs_remove(struct send_jobs *jobs, struct send_job *job);

#endif
