#include "deliver/worker.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

#include <skalibs/iopause.h>
#include <skalibs/selfpipe.h>
#include <skalibs/tai.h>

#include "deliver/agent_link.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/signals.h"

/* Of the wait for more mail; all in microseconds. */
enum {
    WAIT_TIMES = 3, /* as long as the last batch's syncs took */
    WAIT_MIN = 200, /* where syncs are that fast (memory), nothing is gained */
    WAIT_MAX = 10000,
    WAIT_SOON = 50000 /* after the last batch: one that comes later begins alone, and at once */
};

struct worker {
    struct batch *batch;
    int signals; /* descriptor of the self-pipe */
    bool ending; /* no further batch: the scheduler is gone, or a signal came */
    int exit_code;
    int64_t sync_took, sync_ended; /* of the last batch, in microseconds */
    struct agent_link link;
};

static void worker_ends(struct worker *worker, enum agent_link_result result)
{
    worker->ending = worker->ending || result == AGENT_LINK_END || result == AGENT_LINK_FAILED;
    if (result == AGENT_LINK_FAILED)
        worker->exit_code = 111;
}

static void worker_fails(struct worker *worker, char const *what, int number)
{
    log_failure("worker-ends", what, number);
    worker_ends(worker, AGENT_LINK_FAILED);
}

static void worker_answers(void *context, struct job_answer const *answer)
{
    struct worker *const worker = context;
    if (!agent_link_answer(&worker->link, answer))
        worker_ends(worker, AGENT_LINK_FAILED);
}

/* Puts one message into the batch. */
static void take_message(struct worker *worker, unixmessage const *message)
{
    int const descriptor = message->nfds == 1 ? message->fds[0] : -1;
    switch (batch_add(worker->batch, message->s, message->len, descriptor)) {
    case BATCH_ADDED:
        break;
    case BATCH_MALFORMED:
        worker_fails(worker, "the scheduler sent something that is no job", 0);
        break;
    case BATCH_NO_MEMORY:
        worker_fails(worker, "a job found no memory", ENOMEM);
        break;
    }
    unixmessage_drop(message);
}

/* Puts the jobs that wait into the batch. */
static void take_jobs(struct worker *worker)
{
    while (!worker->ending && worker->batch->count < BATCH_MAX) {
        unixmessage message;
        enum agent_link_result const received = agent_link_receive(&worker->link, &message);
        if (received == AGENT_LINK_NONE)
            break;
        if (received == AGENT_LINK_JOB)
            take_message(worker, &message);
        else
            worker_ends(worker, received);
    }
}

/* While mail keeps coming a batch waits for more of it: one commit of the journal then serves more
 * messages, the injectors among them, who wait for it as well. */
static void wait_for_more(struct worker *worker)
{
    int64_t const begin = clock_microseconds();
    int64_t wait = WAIT_TIMES * worker->sync_took;
    if (wait < WAIT_MIN || begin - worker->sync_ended > WAIT_SOON)
        return;
    if (wait > WAIT_MAX)
        wait = WAIT_MAX;
    for (int64_t left = wait; left > 0; left = begin + wait - clock_microseconds()) {
        struct pollfd jobs = {.fd = agent_link_descriptor(&worker->link), .events = POLLIN};
        struct timespec const time = {.tv_nsec = (long)left * 1000};
        if (worker->ending || worker->batch->count == BATCH_MAX || ppoll(&jobs, 1, &time, NULL) < 1)
            break;
        take_jobs(worker);
    }
}

static void finish_batch(struct worker *worker)
{
    int64_t const begin = clock_microseconds();
    batch_finish(worker->batch, worker_answers, worker);
    worker->sync_ended = clock_microseconds();
    worker->sync_took = worker->sync_ended - begin;
}

/* Takes the jobs that wait, and delivers them. */
static void serve_batch(struct worker *worker)
{
    take_jobs(worker);
    if (worker->batch->count) {
        wait_for_more(worker);
        finish_batch(worker);
    }
    worker_ends(worker, agent_link_flush(&worker->link));
    batch_clear(worker->batch);
}

/* Waits for a job, unless one was received already, and looks for a signal. */
static void wait_for_job(struct worker *worker)
{
    enum { JOBS, SIGNALS, COUNT };
    bool const ready = agent_link_has_job(&worker->link);
    iopause_fd waiting[COUNT] = {
        [JOBS] = {.fd = agent_link_descriptor(&worker->link), .events = IOPAUSE_READ},
        [SIGNALS] = {.fd = worker->signals, .events = IOPAUSE_READ}};
    tain const now = TAIN_ZERO;
    int const events = iopause(waiting, COUNT, ready ? &now : NULL, &now);
    if (events < 0 && errno != EINTR)
        worker_fails(worker, "iopause", errno);
    else if (events > 0 && waiting[SIGNALS].revents && selfpipe_read() > 0)
        worker->ending = true;
}

static bool worker_start(struct worker *worker, int socket, struct batch *batch)
{
    worker->batch = batch;
    worker->ending = false;
    worker->exit_code = 0;
    worker->sync_took = worker->sync_ended = 0;
    worker->signals = signals_trap_ends();
    return worker->signals >= 0 && agent_link_start(&worker->link, socket);
}

int worker_serve(int socket, struct batch *batch)
{
    static struct worker worker; /* large, and there is one a process */
    if (!worker_start(&worker, socket, batch))
        return 111;
    while (!worker.ending) {
        wait_for_job(&worker);
        if (!worker.ending)
            serve_batch(&worker);
    }
    agent_link_free(&worker.link);
    selfpipe_finish();
    return worker.exit_code;
}
