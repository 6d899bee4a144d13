#include "deliver/worker.h"

#include <errno.h>
#include <signal.h>

#include <skalibs/djbunix.h>
#include <skalibs/error.h>
#include <skalibs/iopause.h>
#include <skalibs/selfpipe.h>
#include <skalibs/sig.h>
#include <skalibs/tai.h>
#include <skalibs/unixmessage.h>

#include "lib/log.h"

struct worker {
    struct batch *batch;
    int signals; /* descriptor of the self-pipe */
    bool ending; /* no further batch: the scheduler is gone, or a signal came */
    int exit_code;
    unixmessage_receiver receiver;
    unixmessage_sender sender;
    stralloc answer; /* owned: the answer that is being made */
    char main_buffer[WORKER_MESSAGE_BUFFER];
    char descriptor_buffer[UNIXMESSAGE_AUXBUFSIZE];
};

static void worker_fails(struct worker *worker, char const *what, int number)
{
    log_failure("worker-ends", what, number);
    worker->ending = true;
    worker->exit_code = 111;
}

static void worker_answers(void *context, struct job_answer const *answer)
{
    struct worker *const worker = context;
    worker->answer.len = 0;
    unixmessage message = {.s = NULL, .len = 0, .fds = NULL, .nfds = 0};
    bool put = job_answer_format(&worker->answer, answer);
    if (put) {
        message.s = worker->answer.s;
        message.len = worker->answer.len;
        put = unixmessage_put(&worker->sender, &message);
    }
    /* An unanswered job is delivered again, which is the lesser evil. */
    if (!put)
        worker_fails(worker, "an answer found no memory", errno);
}

/* Sends all answers. Waits for a scheduler that is behind as long as it lives: it has set no limit
 * to its own work, and leaving would only deliver the batch once more. */
static void flush_answers(struct worker *worker)
{
    while (!unixmessage_sender_flush(&worker->sender)) {
        if (errno == EPIPE || errno == ECONNRESET) {
            worker->ending = true;
            return;
        }
        if (!error_isagain(errno)) {
            worker_fails(worker, "answers cannot be sent", errno);
            return;
        }
        iopause_fd writable = {.fd = unixmessage_sender_fd(&worker->sender),
                               .events = IOPAUSE_WRITE};
        if (iopause(&writable, 1, NULL, NULL) < 0 && errno != EINTR) {
            worker_fails(worker, "iopause", errno);
            return;
        }
    }
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

/* Takes the jobs that wait, and delivers them. */
static void serve_batch(struct worker *worker)
{
    while (!worker->ending && worker->batch->count < BATCH_MAX) {
        unixmessage message;
        int const received = unixmessage_receive(&worker->receiver, &message);
        if (received == 0)
            break;
        if (received < 0 && (errno == EPIPE || errno == ECONNRESET))
            worker->ending = true;
        else if (received < 0)
            worker_fails(worker, "jobs cannot be received", errno);
        else
            take_message(worker, &message);
    }
    if (worker->batch->count)
        batch_finish(worker->batch, worker_answers, worker);
    flush_answers(worker);
    batch_clear(worker->batch);
}

/* Waits for a job, unless one was received already, and looks for a signal. */
static void wait_for_job(struct worker *worker)
{
    enum { JOBS, SIGNALS, COUNT };
    bool const ready = unixmessage_receiver_hasmsginbuf(&worker->receiver);
    iopause_fd waiting[COUNT] = {
        [JOBS] = {.fd = unixmessage_receiver_fd(&worker->receiver), .events = IOPAUSE_READ},
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
    sigset_t ends;
    *worker = (struct worker){.batch = batch, .answer = STRALLOC_ZERO};
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    worker->signals = selfpipe_init();
    if (worker->signals < 0 || !selfpipe_trapset(&ends)) {
        log_failure("worker-ends", "signals cannot be trapped", errno);
        return false;
    }
    sig_ignore(SIGPIPE);
    sig_ignore(SIGHUP);
    sig_ignore(SIGXFSZ); /* a file too large is an error like any other */
    if (ndelay_on(socket) < 0) {
        log_failure("worker-ends", "the scheduler's socket", errno);
        return false;
    }
    unixmessage_sender_init(&worker->sender, socket);
    unixmessage_receiver_init(&worker->receiver, socket, worker->main_buffer,
                              sizeof worker->main_buffer, worker->descriptor_buffer,
                              sizeof worker->descriptor_buffer);
    return true;
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
    unixmessage_sender_free(&worker.sender);
    unixmessage_receiver_free(&worker.receiver);
    stralloc_free(&worker.answer);
    selfpipe_finish();
    return worker.exit_code;
}
