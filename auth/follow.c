#include "auth/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/credentials.h"
#include "lib/log.h"

enum { CREDENTIALS = 3 };
enum { EXIT_RIGHT = 0, EXIT_TEMPORARY = 111 };

static _Noreturn void execute_after(pid_t child, int from, char const *const *program)
{
    char login[CREDENTIALS_MAX + 1];
    size_t length = 0;
    ssize_t got = 1;
    int status = 0;
    close(CREDENTIALS);
    while (got != 0 && length < sizeof login - 1) {
        got = read(from, login + length, sizeof login - 1 - length);
        if (got < 0 && errno != EINTR)
            _exit(EXIT_TEMPORARY);
        length += got > 0 ? (size_t)got : 0;
    }
    close(from);
    login[length] = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            _exit(EXIT_TEMPORARY);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_RIGHT)
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_TEMPORARY);
    if (!length || setenv("USER", login, 1) != 0)
        _exit(EXIT_TEMPORARY);
    execvp(program[0], (char *const *)program);
    log_failure("program-not-executed", program[0], errno);
    _exit(EXIT_TEMPORARY);
}

int follow_prepare(char const *const *program)
{
    int ends[2];
    pid_t const parent = getpid();
    pid_t const child = pipe2(ends, O_CLOEXEC) == 0 ? fork() : -1;
    if (child < 0) {
        log_failure("auth-unavailable", "fork", errno);
        _exit(EXIT_TEMPORARY);
    }
    if (child > 0) {
        close(ends[1]);
        execute_after(child, ends[0], program);
    }
    close(ends[0]);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_TEMPORARY);
    return ends[1];
}
