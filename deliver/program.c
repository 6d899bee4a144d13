#include "deliver/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/djbunix.h>
#include <skalibs/sig.h>

#include "lib/clock.h"

#define LAST_READS 64 /* pieces of the pipe that are read once the program has ended */

static void limit_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_max > PROGRAM_DESCRIPTORS_MAX)
        limit.rlim_max = PROGRAM_DESCRIPTORS_MAX;
    limit.rlim_cur = limit.rlim_max < PROGRAM_DESCRIPTORS ? limit.rlim_max : PROGRAM_DESCRIPTORS;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* In the child. Everything that is open here is close-on-exec; the two lines that close it once
 * more are for a descriptor that a library may have opened. */
static _Noreturn void become(struct program const *program, int output, pid_t parent)
{
    char *const arguments[] = {(char *)"/bin/sh", (char *)"-c", (char *)program->command, NULL};
    sigset_t none;
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(111);
    /* The message first: the socket that is 0 up to now must not be what a failure leaves there. */
    if (dup2(program->message, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)
        _exit(111);
#ifdef SYS_close_range
    (void)syscall(SYS_close_range, 3u, ~0u, 0u);
#endif
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    limit_descriptors();
    execve(arguments[0], arguments, program->environment);
    static char const text[] = "/bin/sh cannot be run\n";
    (void)!write(2, text, sizeof text - 1);
    _exit(111);
}

/* Reads a piece of the output. False at its end, or (errno is EAGAIN) when nothing waits. */
static bool read_output(int output, struct program_end *end)
{
    char piece[4096];
    ssize_t got;
    do
        got = read(output, piece, sizeof piece);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        errno = 0; /* what stands there from before may be EAGAIN */
    if (got <= 0)
        return false;
    size_t const room = sizeof end->output - end->length;
    size_t const kept = (size_t)got < room ? (size_t)got : room;
    memcpy(end->output + end->length, piece, kept);
    end->length += kept;
    return true;
}

/* Waits until the program has ended (its pidfd is readable), the deadline has passed or the partner
 * is gone. */
static enum program_result attend(struct program const *program, int process, int output,
                                  struct program_end *end)
{
    enum { PROCESS, PARTNER, OUTPUT, COUNT };
    struct pollfd polled[COUNT] = {[PROCESS] = {.fd = process, .events = POLLIN},
                                   [PARTNER] = {.fd = program->partner, .events = 0},
                                   [OUTPUT] = {.fd = output, .events = POLLIN}};
    for (;;) {
        long long const left = program->deadline - clock_milliseconds();
        if (left <= 0)
            return PROGRAM_TOO_LONG;
        int const ready = poll(polled, COUNT, left > 60000 ? 60000 : (int)left);
        if (ready < 0 && errno != EINTR && errno != EAGAIN && errno != ENOMEM)
            return PROGRAM_TOO_LONG; /* it cannot be attended any longer */
        if (ready <= 0)
            continue;
        if (polled[PROCESS].revents)
            return PROGRAM_EXITED;
        if (polled[PARTNER].revents & (POLLHUP | POLLERR))
            return PROGRAM_ABANDONED;
        if (polled[OUTPUT].revents && !read_output(output, end) && errno != EAGAIN)
            polled[OUTPUT].fd = -1; /* it closed its output: nothing more to read */
    }
}

/* Takes the program's end, after killing it and its group unless it has ended by itself. The group
 * is killed before the wait: as long as its leader is not waited for, its number is nobody else's.
 */
static void finish(pid_t pid, struct program_end *end)
{
    int status;
    if (end->result != PROGRAM_EXITED) {
        (void)kill(-pid, SIGKILL);
        (void)kill(pid, SIGKILL);
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return;
    if (end->result != PROGRAM_EXITED)
        return;
    if (WIFSIGNALED(status))
        end->result = PROGRAM_KILLED;
    end->code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void not_started(struct program_end *end)
{
    end->code = errno;
    end->result = PROGRAM_NOT_STARTED;
}

void program_run(struct program const *program, struct program_end *end)
{
    int ends[2];
    pid_t const self = getpid();
    *end = (struct program_end){.result = PROGRAM_EXITED};
    if (pipe2(ends, O_CLOEXEC) != 0) {
        not_started(end);
        return;
    }
    pid_t const pid = ndelay_on(ends[0]) < 0 ? -1 : fork();
    if (pid == 0)
        become(program, ends[1], self);
    int const process = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
    if (process < 0)
        not_started(end);
    fd_close(ends[1]);
    if (pid > 0) {
        (void)setpgid(pid, pid); /* here as well: whoever comes first, it has its group now */
        if (process >= 0) {
            (void)coe(process);
            end->result = attend(program, process, ends[0], end);
            fd_close(process);
        }
        finish(pid, end);
        for (int i = 0; i < LAST_READS && read_output(ends[0], end); i++)
            ;
    }
    fd_close(ends[0]);
}
