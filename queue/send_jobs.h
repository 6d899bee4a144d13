/* The deliveries that agents have in hand, by their number. */
#ifndef EKIDEN_SEND_JOBS_H
#define EKIDEN_SEND_JOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/send_active.h"

#define SEND_JOBS_MAX 500

struct send_job {
    struct send_message *message; /* NULL: a free place */
    uint32_t recipient;
    unsigned int agent;
    uint64_t number; /* serial * SEND_JOBS_MAX + place: a late answer never fits another job */
};

struct send_jobs {
    struct send_job jobs[SEND_JOBS_MAX];
    unsigned int free[SEND_JOBS_MAX], free_count;
    uint64_t serial;
};
void send_jobs_start(struct send_jobs *jobs);
unsigned int send_jobs_count(struct send_jobs const *jobs);

/* Notes a job. There must be room. */
struct send_job *send_jobs_add(struct send_jobs *jobs, struct send_message *message,
                               uint32_t recipient, unsigned int agent);
/* The job NUMBER when AGENT has it, else NULL. */
struct send_job *send_jobs_find(struct send_jobs *jobs, uint64_t number, unsigned int agent);
void send_jobs_remove(struct send_jobs *jobs, struct send_job *job);

#endif
