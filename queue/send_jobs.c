#include "queue/send_jobs.h"

#include <string.h>

void send_jobs_start(struct send_jobs *jobs)
{
    memset(jobs, 0, sizeof *jobs);
    for (unsigned int place = SEND_JOBS_MAX; place-- > 0;)
        jobs->free[jobs->free_count++] = place;
}

unsigned int send_jobs_count(struct send_jobs const *jobs)
{
    return SEND_JOBS_MAX - jobs->free_count;
}

struct send_job *send_jobs_add(struct send_jobs *jobs, struct send_message *message,
                               uint32_t recipient, unsigned int agent)
{
    unsigned int const place = jobs->free[--jobs->free_count];
    struct send_job *const job = jobs->jobs + place;
    *job = (struct send_job){.message = message,
                             .recipient = recipient,
                             .agent = agent,
                             .number = ++jobs->serial * SEND_JOBS_MAX + place};
    return job;
}

struct send_job *send_jobs_find(struct send_jobs *jobs, uint64_t number, unsigned int agent)
{
    struct send_job *const job = jobs->jobs + number % SEND_JOBS_MAX;
    return job->message && job->number == number && job->agent == agent ? job : NULL;
}

void send_jobs_remove(struct send_jobs *jobs, struct send_job *job)
{
    job->message = NULL;
    jobs->free[jobs->free_count++] = (unsigned int)(job - jobs->jobs);
}
