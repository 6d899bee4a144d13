#include "smtpd/helper_table.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/packet.h"
#include "smtpd/process.h"

#define PIPES          3
#define CUSTOM_TEXT_FD 6
#define EXIT_TEMPORARY 111

extern char **environ;

static void tell(int reply, char const *bytes, size_t length, int const *fds, unsigned int count)
{
    struct iovec const piece = {.iov_base = (char *)bytes, .iov_len = length};
    if (!packet_send(reply, &piece, 1, fds, count) && errno != EPIPE)
        log_failure("helper-not-told", "packet_send", errno);
}

static bool reserve(struct helper_table *table)
{
    if (table->count < table->space)
        return true;
    size_t const space = table->space * 2 + 8;
    struct helper *const entries = realloc(table->entries, space * sizeof *entries);
    if (!entries)
        return false;
    table->entries = entries;
    table->space = space;
    return true;
}

/* pipes[0] and [1] are its fd 0 and 1 (it reads), pipes[2] its fd 6 (it writes). */
static bool make_pipes(int pipes[PIPES][2])
{
    for (int i = 0; i < PIPES; i++)
        if (pipe2(pipes[i], O_CLOEXEC) != 0) {
            while (i-- > 0) {
                close(pipes[i][0]);
                close(pipes[i][1]);
            }
            return false;
        }
    return true;
}

_Noreturn static void run_queue_program(int pipes[PIPES][2], char const *path,
                                        struct privilege_user const *user, pid_t parent)
{
    char *const arguments[] = {(char *)path, NULL};
    sigset_t none;
    privilege_drop(user, NULL);
    process_end_with(parent);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_DFL);
    if (dup2(pipes[0][0], 0) < 0 || dup2(pipes[1][0], 1) < 0 ||
        dup2(pipes[2][1], CUSTOM_TEXT_FD) < 0)
        _exit(EXIT_TEMPORARY);
    execve(path, arguments, environ);
    log_failure("helper-not-started", path, errno);
    _exit(EXIT_TEMPORARY);
}

static pid_t start_queue_program(int reply, char const *path, struct privilege_user const *user)
{
    int pipes[PIPES][2];
    pid_t const parent = getpid();
    if (!make_pipes(pipes)) {
        log_failure("helper-not-started", path, errno);
        return -1;
    }
    pid_t const pid = process_fork("smtpd-helper");
    if (pid == 0)
        run_queue_program(pipes, path, user, parent);
    if (pid > 0) {
        int const ends[PIPES] = {pipes[0][1], pipes[1][1], pipes[2][0]};
        tell(reply, "+", 1, ends, PIPES);
    }
    for (int i = 0; i < PIPES; i++) {
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    return pid;
}

void helper_start(struct helper_table *table, char kind, int reply, struct settings const *settings,
                  struct privilege_user const *user)
{
    pid_t pid = -1;
    if (kind == HELPER_QUEUE && settings->queueprogram && reserve(table))
        pid = start_queue_program(reply, settings->queueprogram, user);
    if (pid < 0) {
        tell(reply, "-", 1, NULL, 0);
        close(reply);
        return;
    }
    table->entries[table->count++] = (struct helper){.pid = pid, .reply = reply};
}

size_t helper_polls(struct helper_table const *table, struct pollfd *polls)
{
    for (size_t i = 0; i < table->count; i++)
        polls[i] = (struct pollfd){.fd = table->entries[i].reply}; /* POLLHUP comes unasked */
    return table->count;
}

void helper_check(struct helper_table *table, struct pollfd const *polls, size_t count)
{
    for (size_t i = 0; i < count && i < table->count; i++)
        if (polls[i].revents && table->entries[i].reply == polls[i].fd) {
            kill(table->entries[i].pid, SIGKILL);
            close(table->entries[i].reply);
            table->entries[i].reply = -1; /* the entry waits for its process */
        }
}

bool helper_ended(struct helper_table *table, pid_t pid, int status)
{
    for (size_t i = 0; i < table->count; i++) {
        struct helper const helper = table->entries[i];
        if (helper.pid != pid)
            continue;
        char const bytes[2] = {'x',
                               (char)(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_TEMPORARY)};
        if (helper.reply >= 0) {
            tell(helper.reply, bytes, sizeof bytes, NULL, 0);
            close(helper.reply);
        }
        table->entries[i] = table->entries[--table->count];
        return true;
    }
    return false;
}
