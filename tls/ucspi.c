#include "tls/ucspi.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/log.h"
#include "smtpd/ucspi_tls.h"
#include "tls/ucspi_engine.h"

#define EXIT_TEMPORARY 111

/* What says that there is TLS must come from us. */
static char const *const variables[] = {"SSLCTLFD",
                                        "SSLREADFD",
                                        "SSLWRITEFD",
                                        "SSL_PROTOCOL",
                                        "SSL_CIPHER",
                                        "SSL_TLS_SNI",
                                        "SSL_TLS_SNI_SERVERNAME"};

/* The ends of PROGRAM. */
struct ends {
    int control, plain;
};

static int fail(char const *what)
{
    log_failure("tls-not-started", what, errno);
    return EXIT_TEMPORARY;
}

/* Starts the other process, as nobody's child: PROGRAM may wait for children of its own. */
static bool start(struct ends *ends, enum ucspi_mode mode, struct control const *control)
{
    int controls[2], plain[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, controls) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, plain) != 0)
        return false;
    pid_t const parent = fork();
    if (parent == 0) {
        pid_t const child = fork();
        if (child != 0)
            _exit(child < 0 ? EXIT_TEMPORARY : 0);
        close(controls[0]);
        close(plain[0]);
        ucspi_engine_run(control, mode == UCSPI_AT_ONCE, controls[1], plain[1]);
    }
    int status = 0;
    /* Where SIGCHLD is ignored its status is not to be had. */
    if (parent < 0 || (waitpid(parent, &status, 0) == parent && status != 0))
        return false;
    close(controls[1]);
    close(plain[1]);
    *ends = (struct ends){.control = controls[0], .plain = plain[0]};
    return true;
}

static bool name_descriptor(char const *name, int descriptor)
{
    char number[16];
    snprintf(number, sizeof number, "%d", descriptor);
    return fcntl(descriptor, F_SETFD, 0) == 0 && setenv(name, number, 1) == 0;
}

static bool offer(struct ends const *ends)
{
    /* Two numbers, though one would do: some programs move the one, which closes it, and then look
     * for the other. */
    int const output = fcntl(ends->plain, F_DUPFD, ends->plain + 1);
    return output >= 0 && name_descriptor("SSLCTLFD", ends->control) &&
           name_descriptor("SSLREADFD", ends->plain) && name_descriptor("SSLWRITEFD", output);
}

/* Waits for the end of the handshake. False: it failed, as the other process has logged. */
static bool await_handshake(struct tls_answer *answer, int control)
{
    static struct ucspi_tls_text text;
    bool complete = false;
    while (!complete)
        if (!ucspi_tls_read(&text, control, &complete))
            return false;
    ucspi_tls_parse(answer, &text);
    return true;
}

static bool put_in_place(struct ends const *ends, struct tls_answer const *answer)
{
    return dup2(ends->plain, 0) == 0 && dup2(ends->plain, 1) == 1 &&
           setenv("SSL_PROTOCOL", answer->version, 1) == 0 &&
           setenv("SSL_CIPHER", answer->suite, 1) == 0 &&
           (!answer->name[0] || (setenv("SSL_TLS_SNI", answer->name, 1) == 0 &&
                                 setenv("SSL_TLS_SNI_SERVERNAME", answer->name, 1) == 0));
}

int ucspi_run(enum ucspi_mode mode, struct control const *control, char const *const *program)
{
    struct ends ends;
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        unsetenv(variables[i]);
    if (!start(&ends, mode, control))
        return fail("process");
    if (mode == UCSPI_AT_ONCE) {
        struct tls_answer answer = {.kind = TLS_HANDSHAKE};
        if (!await_handshake(&answer, ends.control))
            return EXIT_TEMPORARY;
        if (!put_in_place(&ends, &answer))
            return fail("descriptors");
    } else if (!offer(&ends))
        return fail("descriptors");
    execvp(program[0], (char *const *)program);
    return fail(program[0]);
}
