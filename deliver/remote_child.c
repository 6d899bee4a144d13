#include "deliver/remote_child.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deliver/remote_delivery.h"
#include "deliver/remote_fence.h"
#include "deliver/remote_way.h"
#include "deliver/remote_world.h"
#include "lib/log.h"
#include "lib/packet.h"

#define LOGIN_REFUSED 'L'

/* --- in the child --- */

enum { MESSAGE, ANSWERS, LOG, TLS, DESCRIPTORS };

static _Noreturn void die(char const *what)
{
    log_failure("remote-not-started", what, errno);
    _exit(111);
}

static void send_answers(void *context, struct remote_transaction const *transaction)
{
    struct remote_job const *const job = context;
    stralloc bytes = STRALLOC_ZERO;
    for (unsigned int i = 0; i < job->count; i++) {
        struct failure const *const failure = &transaction->recipients[i].failure;
        struct job_answer const answer = {job->recipients[i].number, failure->result,
                                          failure->text};
        bytes.len = 0;
        if (!job_answer_format(&bytes, &answer))
            die("an answer found no memory");
        struct iovec const piece = {.iov_base = bytes.s, .iov_len = bytes.len};
        if (!packet_send(ANSWERS, &piece, 1, NULL, 0))
            die("an answer cannot be sent");
    }
    stralloc_free(&bytes);
}

static void send_refused(void *context, unsigned int way)
{
    char const bytes[] = {LOGIN_REFUSED, (char)('0' + way)};
    struct iovec const piece = {.iov_base = (char *)bytes, .iov_len = sizeof bytes};
    (void)context;
    if (!packet_send(ANSWERS, &piece, 1, NULL, 0))
        die("a refused login cannot be told");
}

/* Keeps three descriptors, and the one of TLS where there is one, and nothing of the master's: not
 * the scheduler's socket, not those of other deliveries. */
static void keep_descriptors(int message, int socket, int tls_service)
{
    if (dup2(message, MESSAGE) < 0 || dup2(socket, ANSWERS) < 0 ||
        (tls_service >= 0 && tls_service != TLS && dup2(tls_service, TLS) < 0) ||
        close_range(tls_service >= 0 ? DESCRIPTORS : TLS, ~0u, 0) < 0)
        die("descriptors");
}

static void deliver(struct remote_job const *job, int tls_service, struct remote_settings *settings,
                    struct remote_refusals const *refusals, struct remote_world const *world)
{
    struct remote_ways ways;
    struct remote_recipient *const recipients = calloc(job->count, sizeof *recipients);
    struct remote_transaction transaction = {.sender = job->sender,
                                             .message = {.descriptor = MESSAGE,
                                                         .offset = job->offset,
                                                         .length = job->length,
                                                         .sum = job->sum,
                                                         .smtputf8 = job->smtputf8},
                                             .recipients = recipients,
                                             .count = job->count};
    struct remote_delivery const delivery = {.settings = settings,
                                             .world = world,
                                             .ways = &ways,
                                             .tls_service = tls_service,
                                             .report = send_answers,
                                             .refused = send_refused,
                                             .refusals = refusals,
                                             .context = (void *)job};
    struct failure failure;
    if (!recipients)
        die("recipients found no memory");
    for (unsigned int i = 0; i < job->count; i++)
        recipients[i].address = job->recipients[i].address;
    /* What this delivery has no need of is not there for whoever takes this process over. */
    remote_credentials_keep(&settings->credentials, job->route.auth);
    if (remote_ways_make(&ways, &job->route, settings, &failure)) {
        remote_delivery_run(&delivery, &transaction);
    } else {
        for (unsigned int i = 0; i < job->count; i++)
            recipients[i].failure = failure;
        send_answers(delivery.context, &transaction);
    }
    free(recipients);
}

static _Noreturn void run(struct remote_job const *job, int message, int socket, int tls_service,
                          struct remote_settings *settings, struct remote_refusals const *refusals,
                          pid_t master)
{
    struct remote_world world;
    struct remote_ourselves ourselves;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        die("PR_SET_PDEATHSIG");
    if (getppid() != master)
        _exit(111);
    keep_descriptors(message, socket, tls_service);
    if (!remote_world_start(&world, &ourselves, settings))
        _exit(111);
    remote_fence_enter();
    deliver(job, tls_service >= 0 ? TLS : -1, settings, refusals, &world);
    _exit(0);
}

/* --- in the master --- */

bool remote_child_start(struct remote_child *child, struct remote_job const *job, int descriptor,
                        int tls_service, struct remote_settings *settings,
                        struct remote_refusals const *refusals)
{
    int ends[2];
    pid_t const master = getpid();
    *child = (struct remote_child){.count = job->count, .waiting = job->count, .route = job->route};
    for (unsigned int i = 0; i < job->count; i++)
        child->numbers[i] = job->recipients[i].number;
    if (!packet_pair(ends))
        return false;
    child->socket = ends[0];
    child->pid = fork();
    if (child->pid == 0)
        run(job, descriptor, ends[1], tls_service, settings, refusals, master);
    int const number = errno;
    close(ends[1]);
    if (child->pid < 0) {
        close(ends[0]);
        errno = number;
        return false;
    }
    tain_now_g();
    tain_addsec_g(&child->deadline, (int)remote_delivery_seconds(settings, job->length));
    return true;
}

/* Marks NUMBER as answered; false when it is not the child's, or was answered before. */
static bool take_number(struct remote_child *child, uint64_t number)
{
    for (unsigned int i = 0; i < child->count; i++)
        if (child->numbers[i] == number && !child->answered[i]) {
            child->answered[i] = true;
            child->waiting--;
            return true;
        }
    return false;
}

/* False when BYTES say nothing of a login that this child could have tried. */
static bool take_refusal(struct remote_child const *child, char const *bytes, size_t length,
                         struct remote_refusals *refusals)
{
    struct smtproute const *const route = &child->route;
    unsigned int const way = length == 2 ? (unsigned int)(unsigned char)bytes[1] - '0' : UINT_MAX;
    if (length != 2 || bytes[0] != LOGIN_REFUSED || !route->auth[0] || way >= route->count)
        return false;
    remote_refusals_note(refusals, route->hosts[way].name, route->hosts[way].port, route->auth);
    return true;
}

enum remote_child_result remote_child_receive(struct remote_child *child, struct job_answer *answer,
                                              char buffer[REMOTE_CHILD_BUFFER],
                                              struct remote_refusals *refusals)
{
    ssize_t const length = packet_receive(child->socket, buffer, REMOTE_CHILD_BUFFER, NULL, NULL);
    if (length < 0 && errno == EINTR)
        return REMOTE_CHILD_NONE;
    if (length == 0)
        return REMOTE_CHILD_ENDED;
    if (length > 0 && take_refusal(child, buffer, (size_t)length, refusals))
        return REMOTE_CHILD_NONE;
    if (length < 0 || !job_answer_parse(answer, buffer, (size_t)length) ||
        !take_number(child, answer->number))
        return REMOTE_CHILD_BROKEN;
    return REMOTE_CHILD_ANSWER;
}

static void log_end(pid_t pid, int status)
{
    struct log_line line;
    log_begin(&line, "remote-ended");
    log_number(&line, "pid", (uint64_t)pid);
    log_status(&line, status);
    log_write(&line);
}

void remote_child_end(struct remote_child *child)
{
    int status = 0;
    pid_t waited;
    close(child->socket);
    /* One that has closed its end is on its way out, where this does not reach it any more; one
     * that only pretends to does not hold us up. */
    kill(child->pid, SIGKILL);
    do
        waited = waitpid(child->pid, &status, 0);
    while (waited < 0 && errno == EINTR);
    if (waited == child->pid && status != 0)
        log_end(child->pid, status);
}
