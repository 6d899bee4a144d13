#include "queue/send_jobs.h"

#include <stddef.h>

void send_jobs_start(struct send_jobs *jobs)
{
    jobs->used = jobs->count = 0;
    jobs->free = SEND_JOBS_MAX;
    jobs->serial = 0;
}

struct send_job *send_jobs_add(struct send_jobs *jobs, struct send_message *message,
                               uint32_t recipient, unsigned int agent)
{
    unsigned int const place = jobs->free < SEND_JOBS_MAX ? jobs->free : jobs->used++;
    struct send_job *const job = jobs->jobs + place;
    if (jobs->free < SEND_JOBS_MAX)
        jobs->free = job->next_free;
    jobs->count++;
    *job = (struct send_job){.message = message,
                             .recipient = recipient,
                             .agent = agent,
                             .number = ++jobs->serial * SEND_JOBS_MAX + place};
    return job;
}

struct send_job *send_jobs_find(struct send_jobs *jobs, uint64_t number, unsigned int agent)
{
    uint64_t const place = number % SEND_JOBS_MAX;
    struct send_job *const job = jobs->jobs + place;
    if (place >= jobs->used || !job->message || job->number != number || job->agent != agent)
        return NULL;
    return job;
}

void send_jobs_remove(struct send_jobs *jobs, struct send_job *job)
{
    job->message = NULL;
    job->next_free = jobs->free;
    jobs->free = (unsigned int)(job - jobs->jobs);
    jobs->count--;
}
