#include "deliver/remote_process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <skalibs/iopause.h>

#include "deliver/remote_delivery.h"
#include "deliver/remote_envelope.h"
#include "deliver/remote_fence.h"
#include "deliver/remote_way.h"
#include "deliver/remote_world.h"
#include "lib/log.h"
#include "lib/packet.h"

enum { MESSAGE, MASTER, LOG, TLS, DESCRIPTORS };

static _Noreturn void die(char const *what)
{
    log_failure("remote-not-started", what, errno);
    _exit(111);
}

static void tell(char const *bytes, size_t length, char const *what)
{
    struct iovec const piece = {.iov_base = (char *)bytes, .iov_len = length};
    if (!packet_send(MASTER, &piece, 1, NULL, 0))
        die(what);
}

/* --- a job --- */

/* What the report needs to know. */
struct report {
    struct remote_job const *job;
    bool said_idle;
};

/* With the last answer the master knows that the next job may come: none that it has meanwhile
 * needs a connection of its own. */
static void send_answers(void *context, struct remote_transaction const *transaction, bool is_ready)
{
    struct report *const report = context;
    struct remote_job const *const job = report->job;
    stralloc bytes = STRALLOC_ZERO;
    for (unsigned int i = 0; i < job->count; i++) {
        struct remote_recipient const *const recipient = transaction->recipients + i;
        struct failure const *const failure = &recipient->failure;
        bool const told = failure->result == JOB_DELIVERED && recipient->dsn.notify & DSN_SUCCESS;
        struct job_answer const answer = {
            job->recipients[i].number, told ? transaction->taken : failure->result, failure->text};
        bytes.len = 0;
        report->said_idle = is_ready && i + 1 == job->count;
        if ((report->said_idle && !stralloc_append(&bytes, REMOTE_PROCESS_IDLE)) ||
            !job_answer_format(&bytes, &answer))
            die("an answer found no memory");
        tell(bytes.s, bytes.len, "an answer cannot be sent");
    }
    stralloc_free(&bytes);
}

static void send_refused(void *context, unsigned int way)
{
    char const bytes[] = {REMOTE_PROCESS_LOGIN, (char)('0' + way)};
    (void)context;
    tell(bytes, sizeof bytes, "a refused login cannot be told");
}

/* JOB, whose message lies in DESCRIPTOR; with FAILURE that is its result. The master knows of all
 * results then, and that we are idle if the connection stays. */
static void run_job(struct remote_delivery *delivery, struct remote_job const *job, int descriptor,
                    struct failure const *failure)
{
    struct remote_recipient *const recipients = calloc(job->count, sizeof *recipients);
    struct report report = {.job = job};
    struct remote_transaction transaction = {.sender = job->sender,
                                             .dsn = job->dsn,
                                             .message = {.descriptor = descriptor,
                                                         .offset = job->offset,
                                                         .length = job->length,
                                                         .sum = job->sum,
                                                         .smtputf8 = job->smtputf8},
                                             .recipients = recipients,
                                             .count = job->count};
    char const idle = REMOTE_PROCESS_IDLE;
    if (!recipients)
        die("recipients found no memory");
    for (unsigned int i = 0; i < job->count; i++) {
        recipients[i].address = job->recipients[i].address;
        recipients[i].dsn = job->recipients[i].dsn;
    }
    delivery->context = &report;
    if (failure) {
        remote_envelope_settle(&transaction, failure);
        send_answers(&report, &transaction, false);
    } else {
        remote_delivery_run(delivery, &transaction);
    }
    if (!report.said_idle && delivery->connection->session.state == REMOTE_SESSION_READY)
        tell(&idle, 1, "the master cannot be told");
    free(recipients);
}

/* --- more jobs --- */

/* Until the master says something. When the server does first (whatever it says, it ends the
 * connection), or `reuselimit` does, the master is asked to end us: a job of his may be on its way,
 * so it is not for us to go. */
static void await_master(struct remote_connection const *connection)
{
    static char const ends = REMOTE_PROCESS_ENDS;
    iopause_fd waiting[] = {{.fd = MASTER, .events = IOPAUSE_READ},
                            {.fd = connection->session.descriptor, .events = IOPAUSE_READ}};
    bool asked = false;
    tain_now_g();
    do {
        int const events = asked ? iopause_stamp(waiting, 1, NULL, &STAMP)
                                 : iopause_g(waiting, 2, &connection->until);
        if (events < 0 && errno != EINTR)
            die("iopause");
        if (events <= 0)
            waiting[0].revents = 0;
        if (events >= 0 && !asked && !waiting[0].revents) {
            tell(&ends, 1, "the master cannot be told");
            asked = true;
        }
    } while (!waiting[0].revents);
}

/* Waits for the next job; its strings point into BUFFER. False when the master lets us go. */
static bool take_job(struct remote_connection const *connection, struct remote_job *job,
                     int *descriptor, char buffer[REMOTE_PROCESS_PACKET_MAX])
{
    unsigned int count = 1;
    ssize_t length;
    await_master(connection);
    do
        length = packet_receive(MASTER, buffer, REMOTE_PROCESS_PACKET_MAX, descriptor, &count);
    while (length < 0 && errno == EINTR);
    if (length == 0)
        return false;
    if (length < 0 || count != 1 || !remote_job_parse(job, buffer, (size_t)length))
        die("what the master sends is no job");
    return true;
}

/* One job after the other, each with no message open but its own. */
static void run_jobs(struct remote_delivery *delivery, struct remote_job const *first,
                     struct failure const *failure)
{
    static char buffer[REMOTE_PROCESS_PACKET_MAX];
    static struct remote_job job;
    int descriptor = MESSAGE;
    run_job(delivery, first, MESSAGE, failure);
    close(MESSAGE);
    while (delivery->connection->session.state == REMOTE_SESSION_READY &&
           take_job(delivery->connection, &job, &descriptor, buffer)) {
        run_job(delivery, &job, descriptor, NULL);
        close(descriptor);
    }
    remote_connection_leave(delivery->connection);
}

static void deliver(struct remote_process const *process, struct remote_world const *world)
{
    static struct remote_connection connection;
    struct remote_ways ways;
    struct remote_job const *const job = process->job;
    /* The ways point into it, and the first job's bytes are not the next one's. */
    struct smtproute const route = job->route;
    struct remote_delivery delivery = {.settings = process->settings,
                                       .world = world,
                                       .ways = &ways,
                                       .tls_service = process->tls_service >= 0 ? TLS : -1,
                                       .connection = &connection,
                                       .report = send_answers,
                                       .refused = send_refused,
                                       .refusals = process->refusals};
    struct failure failure;
    remote_connection_clear(&connection);
    /* What this way has no need of is not there for whoever takes this process over. */
    remote_credentials_keep(&process->settings->credentials, route.auth);
    bool const made = remote_ways_make(&ways, &route, process->settings, &failure);
    run_jobs(&delivery, job, made ? NULL : &failure);
}

/* --- the process --- */

/* Keeps three descriptors, and the one of TLS where there is one, and nothing of the master's: not
 * the scheduler's socket, not those of other deliveries. */
static void keep_descriptors(struct remote_process const *process)
{
    int const tls = process->tls_service;
    if (dup2(process->message, MESSAGE) < 0 || dup2(process->socket, MASTER) < 0 ||
        (tls >= 0 && tls != TLS && dup2(tls, TLS) < 0) ||
        close_range(tls >= 0 ? DESCRIPTORS : TLS, ~0u, 0) < 0)
        die("descriptors");
}

void remote_process_run(struct remote_process const *process)
{
    struct remote_world world;
    struct remote_ourselves ourselves;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        die("PR_SET_PDEATHSIG");
    if (getppid() != process->master)
        _exit(111);
    keep_descriptors(process);
    if (!remote_world_start(&world, &ourselves, process->settings))
        _exit(111);
    remote_fence_enter(smtproutes_has_socket(&process->job->route));
    deliver(process, &world);
    _exit(0);
}
