#include "auth/foreign.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/log.h"

#define BLANKS " \t"

bool foreign_is_command(char const *line, size_t length)
{
    size_t words = 0;
    for (size_t i = 0; i < length; i++)
        words += !strchr(BLANKS, line[i]) && (i == 0 || strchr(BLANKS, line[i - 1]));
    return length > 0 && line[0] == '/' && words <= FOREIGN_WORDS;
}

/* The child: waits until the first bytes have come, which is the word to begin. They stay in the
 * pipe for the program. */
static _Noreturn void become(char **words, int input, pid_t parent)
{
    uint8_t first;
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(111);
    if (read(input, &first, 1) != 1) /* a mark of ours, not the credentials' */
        _exit(111);
    if (input != 3 ? dup2(input, 3) != 3 : fcntl(3, F_SETFD, 0) != 0)
        _exit(111);
#ifdef SYS_close_range
    (void)syscall(SYS_close_range, 4u, ~0u, 0u);
#endif
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL);
    execv(words[0], words);
    log_failure("authprogram-failed", words[0], errno);
    _exit(111);
}

bool foreign_prepare(struct foreign *foreign, char *line)
{
    char *words[FOREIGN_WORDS + 2], *rest;
    size_t count = 0;
    int ends[2];
    for (char *word = strtok_r(line, BLANKS, &rest); word && count < FOREIGN_WORDS;
         word = strtok_r(NULL, BLANKS, &rest))
        words[count++] = word;
    words[count++] = (char *)FOREIGN_OTHERS;
    words[count] = NULL;
    pid_t const parent = getpid();
    if (pipe2(ends, O_CLOEXEC) != 0 || (foreign->process = fork()) < 0) {
        log_failure("authprogram-failed", "it could not be started", errno);
        return false;
    }
    if (foreign->process == 0) {
        close(ends[1]);
        become(words, ends[0], parent);
    }
    close(ends[0]);
    foreign->input = ends[1];
    return true;
}

void foreign_kill(struct foreign const *foreign)
{
    if (foreign->process <= 0)
        return;
    (void)kill(-foreign->process, SIGKILL);
    (void)kill(foreign->process, SIGKILL); /* it may not have its group yet */
}

static void log_end(int status)
{
    struct log_line line;
    log_begin(&line, "authprogram-failed");
    log_status(&line, status);
    log_write(&line);
}

int foreign_run(struct foreign *foreign, char const *bytes, size_t length)
{
    char message[1 + 1024];
    int status = 0;
    if (length >= sizeof message)
        return 111;
    message[0] = '.';
    memcpy(message + 1, bytes, length);
    bool const written = write(foreign->input, message, length + 1) == (ssize_t)length + 1;
    explicit_bzero(message, sizeof message);
    close(foreign->input);
    pid_t ended;
    do
        ended = waitpid(foreign->process, &status, 0);
    while (ended < 0 && errno == EINTR);
    foreign_kill(foreign); /* what it left behind */
    foreign->process = 0;
    if (ended < 0 || !written) {
        log_failure("authprogram-failed", "it did not take the password, or its end is lost",
                    errno);
        return 111;
    }
    int const code = WIFEXITED(status) ? WEXITSTATUS(status) : 111;
    if (code == 0 || code == 1)
        return code;
    log_end(status);
    return code == 2 ? 2 : 111;
}
