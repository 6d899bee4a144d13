#include "lib/process.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/log.h"

#define SOON_MILLISECONDS 50

static volatile sig_atomic_t stop, hangup, child_ended;
static sigset_t waiting, waiting_for_client, waiting_for_stop;

static void note(int signal)
{
    if (signal == SIGHUP)
        hangup = 1;
    else if (signal == SIGCHLD)
        child_ended = 1;
    else
        stop = 1;
}

void process_catch_signals(void)
{
    static int const caught[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
    struct sigaction action = {.sa_handler = note};
    sigset_t blocked;
    sigemptyset(&blocked);
    sigemptyset(&waiting);
    sigemptyset(&waiting_for_client);
    sigemptyset(&waiting_for_stop);
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) {
        sigaddset(&blocked, caught[i]);
        sigaction(caught[i], &action, NULL);
    }
    sigaddset(&waiting_for_client, SIGCHLD);
    sigaddset(&waiting_for_stop, SIGHUP);
    sigaddset(&waiting_for_stop, SIGCHLD);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

sigset_t const *process_waiting(void)
{
    return &waiting;
}

sigset_t const *process_waiting_for_client(void)
{
    return &waiting_for_client;
}

sigset_t const *process_waiting_for_stop(void)
{
    return &waiting_for_stop;
}

volatile sig_atomic_t const *process_stop(void)
{
    return &stop;
}

static bool take(volatile sig_atomic_t *flag)
{
    bool const was = *flag;
    *flag = 0;
    return was;
}

bool process_wait_for_requests(struct pollfd *polls, nfds_t count, struct timespec const *timeout,
                               bool busy)
{
    static struct timespec const soon = {.tv_nsec = SOON_MILLISECONDS * 1000000};
    sigset_t const *const signals = busy ? &waiting_for_client : &waiting;
    return ppoll(polls, count, busy ? &soon : timeout, signals) > 0;
}

bool process_take_hangup(void)
{
    return take(&hangup);
}

bool process_take_child(void)
{
    return take(&child_ended);
}

pid_t process_fork(char const *name)
{
    /* Not fork(): what it does for threads and streams writes to pages that parent and child would
     * then have to copy. */
    pid_t const pid = _Fork();
    if (pid < 0)
        log_failure("fork-failed", name, errno);
    if (pid == 0) {
        stop = hangup = child_ended = 0;
        prctl(PR_SET_NAME, name, 0, 0, 0);
    }
    return pid;
}

void process_end_with(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) != 0) {
        log_failure("process-failed", "PR_SET_PDEATHSIG", errno);
        _exit(111);
    }
    if (getppid() != parent)
        _exit(0);
}

bool children_reserve(struct children *children)
{
    if (children->count < children->space)
        return true;
    size_t const space = children->space * 2 + 8;
    struct child *const entries = realloc(children->entries, space * sizeof *entries);
    if (!entries)
        return false;
    children->entries = entries;
    children->space = space;
    return true;
}

void children_add(struct children *children, pid_t pid, int number)
{
    children->entries[children->count++] = (struct child){.pid = pid, .number = number};
}

pid_t children_fork(struct children *children, char const *name)
{
    if (!children_reserve(children)) {
        log_failure("fork-failed", name, ENOMEM);
        return -1;
    }
    pid_t const pid = process_fork(name);
    if (pid > 0)
        children_add(children, pid, 0);
    return pid;
}

void children_signal(struct children const *children, int number)
{
    for (size_t i = 0; i < children->count; i++)
        kill(children->entries[i].pid, number);
}

static void log_end(pid_t pid, int status)
{
    struct log_line line;
    if (!WIFSIGNALED(status) || WTERMSIG(status) == SIGTERM)
        return;
    log_begin(&line, "process-killed");
    log_number(&line, "pid", (uint64_t)pid);
    log_number(&line, "signal", (uint64_t)WTERMSIG(status));
    if (WTERMSIG(status) == SIGSYS)
        log_text(&line, "what", "a system call that its fence forbids");
    log_write(&line);
}

bool children_reap(struct children *children, struct child *ended, int *status)
{
    pid_t const pid = waitpid(-1, status, WNOHANG);
    if (pid <= 0)
        return false;
    log_end(pid, *status);
    *ended = (struct child){.pid = pid, .number = -1};
    for (size_t i = 0; i < children->count; i++)
        if (children->entries[i].pid == pid) {
            *ended = children->entries[i];
            children->entries[i] = children->entries[--children->count];
            break;
        }
    return true;
}
