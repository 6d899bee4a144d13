#include "auth/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "auth/hash.h"

static int const signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU};
#define SIGNALS (sizeof signals / sizeof *signals)

static volatile sig_atomic_t came;

static void note(int number)
{
    came = number;
}

/* A byte, once there is one. Signals come through while we wait and at no other time: one between a
 * look at what has come and a read would be noticed after the next key. */
static ssize_t read_byte(int descriptor, char *byte, sigset_t const *waiting)
{
    struct pollfd ready = {.fd = descriptor, .events = POLLIN};
    return ppoll(&ready, 1, NULL, waiting) < 0 ? -1 : read(descriptor, byte, 1);
}

/* One line without its end. A line that is too long is read to its end and refused. */
static enum terminal_result read_line(int descriptor, char *line, char const **why,
                                      sigset_t const *waiting)
{
    size_t length = 0;
    bool too_long = false, has_nul = false;
    for (;;) {
        char byte;
        ssize_t const got = read_byte(descriptor, &byte, waiting);
        if (got < 0)
            return TERMINAL_FAILED;
        if (got == 0 && length == 0) {
            errno = 0;
            return TERMINAL_FAILED;
        }
        if (got == 0 || byte == '\n')
            break;
        has_nul |= !byte;
        if (length < PASSWORD_MAX)
            line[length++] = byte;
        else
            too_long = true;
    }
    /* The line end of a file that was written on Windows; no keyboard has that byte. */
    if (length && line[length - 1] == '\r')
        length--;
    line[length] = 0;
    if (too_long || has_nul || !length) {
        *why = too_long  ? "a password has at most 400 bytes"
               : has_nul ? "a password holds no NUL byte"
                         : "the password is empty";
        return TERMINAL_REFUSED;
    }
    return TERMINAL_OK;
}

static void say(int terminal, char const *text)
{
    (void)!write(terminal, text, strlen(text));
}

static enum terminal_result ask(int terminal, char const *question, char *line, char const **why,
                                sigset_t const *waiting)
{
    say(terminal, question);
    enum terminal_result const result = read_line(terminal, line, why, waiting);
    int const saved = errno;
    say(terminal, "\n");
    errno = saved;
    return result;
}

static enum terminal_result ask_twice(int terminal, char *password, bool twice, char const **why,
                                      sigset_t const *waiting)
{
    char again[PASSWORD_MAX + 1];
    enum terminal_result result = ask(terminal, "Password: ", password, why, waiting);
    if (result != TERMINAL_OK || !twice)
        return result;
    result = ask(terminal, "Once more: ", again, why, waiting);
    if (result == TERMINAL_OK && strcmp(password, again) != 0) {
        *why = "the two are not the same";
        result = TERMINAL_REFUSED;
    }
    explicit_bzero(again, sizeof again);
    return result;
}

/* Signals are caught while there is no echo, and sent again when there is. */
static enum terminal_result ask_without_echo(int terminal, char *password, bool twice,
                                             char const **why)
{
    struct sigaction old[SIGNALS];
    struct sigaction const caught = {.sa_handler = note};
    sigset_t blocked, waiting;
    struct termios with_echo, without_echo;
    came = 0;
    if (tcgetattr(terminal, &with_echo) != 0)
        return TERMINAL_FAILED;
    sigemptyset(&blocked);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaddset(&blocked, signals[i]);
    sigprocmask(SIG_BLOCK, &blocked, &waiting);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &caught, &old[i]);
    without_echo = with_echo;
    without_echo.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    enum terminal_result result = TERMINAL_FAILED;
    if (tcsetattr(terminal, TCSAFLUSH, &without_echo) == 0)
        result = ask_twice(terminal, password, twice, why, &waiting);
    int const saved = errno;
    /* At once: a terminal that has been stopped must not keep us waiting without an echo. */
    while (tcsetattr(terminal, TCSANOW, &with_echo) != 0 && errno == EINTR)
        ;
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &old[i], NULL);
    sigprocmask(SIG_SETMASK, &waiting, NULL);
    if (came) {
        explicit_bzero(password, PASSWORD_MAX + 1);
        raise(came);
    }
    errno = saved;
    return result;
}

enum terminal_result terminal_password(char *password, bool twice, char const **why)
{
    if (!isatty(0))
        return read_line(0, password, why, NULL);
    int const terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0)
        return TERMINAL_FAILED;
    enum terminal_result const result = ask_without_echo(terminal, password, twice, why);
    int const saved = errno;
    close(terminal);
    errno = saved;
    return result;
}
