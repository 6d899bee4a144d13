#include "deliver/remote_child.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deliver/remote_delivery.h"
#include "deliver/remote_process.h"
#include "lib/log.h"
#include "lib/packet.h"

#define IDLE_SECONDS  2  /* a connection waits for more mail */
#define LEAVE_SECONDS 10 /* for QUIT, until the process is killed */

/* The child is to answer for the recipients of JOB, in its time. */
static void set_job(struct remote_child *child, struct remote_job const *job,
                    struct remote_settings const *settings)
{
    child->state = REMOTE_CHILD_BUSY;
    child->count = child->waiting = job->count;
    for (unsigned int i = 0; i < job->count; i++) {
        child->numbers[i] = job->recipients[i].number;
        child->answered[i] = false;
    }
    tain_now_g();
    tain_addsec_g(&child->deadline, (int)remote_delivery_seconds(settings, job->length));
}

bool remote_child_start(struct remote_child *child, struct remote_job const *job, int descriptor,
                        int tls_service, struct remote_settings *settings,
                        struct remote_refusals const *refusals)
{
    int ends[2];
    pid_t const master = getpid();
    *child = (struct remote_child){.route = job->route};
    if (!packet_pair(ends))
        return false;
    child->socket = ends[0];
    child->pid = fork();
    if (child->pid == 0)
        remote_process_run(&(struct remote_process){.job = job,
                                                    .message = descriptor,
                                                    .socket = ends[1],
                                                    .tls_service = tls_service,
                                                    .settings = settings,
                                                    .refusals = refusals,
                                                    .master = master});
    int const number = errno;
    close(ends[1]);
    if (child->pid < 0) {
        close(ends[0]);
        errno = number;
        return false;
    }
    set_job(child, job, settings);
    return true;
}

bool remote_child_give(struct remote_child *child, struct remote_job const *job, char const *bytes,
                       size_t length, int descriptor, struct remote_settings const *settings)
{
    struct iovec const piece = {.iov_base = (char *)bytes, .iov_len = length};
    if (length > REMOTE_PROCESS_PACKET_MAX ||
        !packet_offer(child->socket, &piece, 1, &descriptor, 1))
        return false;
    set_job(child, job, settings);
    return true;
}

void remote_child_let_go(struct remote_child *child)
{
    child->state = REMOTE_CHILD_LEAVING;
    tain_addsec_g(&child->deadline, LEAVE_SECONDS);
    shutdown(child->socket, SHUT_WR);
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
    if (length != 2 || bytes[0] != REMOTE_PROCESS_LOGIN || !route->auth[0] || way >= route->count)
        return false;
    remote_refusals_note(refusals, route->hosts[way].name, route->hosts[way].port, route->auth);
    return true;
}

/* False for one that has not answered for all recipients of a job. */
static bool take_idle(struct remote_child *child)
{
    if (child->state != REMOTE_CHILD_BUSY || child->waiting)
        return false;
    child->state = REMOTE_CHILD_IDLE;
    tain_addsec_g(&child->deadline, IDLE_SECONDS);
    return true;
}

/* True for a word that is no answer, and in order. One that wants to be let go and has got a job
 * meanwhile does that. */
static bool take_word(struct remote_child *child, char const *bytes, size_t length,
                      struct remote_refusals *refusals)
{
    if (length == 1 && bytes[0] == REMOTE_PROCESS_IDLE)
        return take_idle(child);
    if (length == 1 && bytes[0] == REMOTE_PROCESS_ENDS) {
        if (child->state == REMOTE_CHILD_IDLE)
            remote_child_let_go(child);
        return true;
    }
    return take_refusal(child, bytes, length, refusals);
}

static bool take_answer(struct remote_child *child, char const *bytes, size_t length,
                        struct job_answer *answer)
{
    bool const is_last = bytes[0] == REMOTE_PROCESS_IDLE;
    if ((is_last && child->waiting != 1) ||
        !job_answer_parse(answer, bytes + is_last, length - is_last) ||
        !take_number(child, answer->number))
        return false;
    return !is_last || take_idle(child); /* which is true */
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
    if (length > 0 && take_word(child, buffer, (size_t)length, refusals))
        return REMOTE_CHILD_NONE;
    if (length > 0 && take_answer(child, buffer, (size_t)length, answer))
        return REMOTE_CHILD_ANSWER;
    return REMOTE_CHILD_BROKEN;
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
    bool const killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (waited == child->pid && status != 0 && !(killed && !child->waiting))
        log_end(child->pid, status);
}
