/* Queueing through another program of qmail-queue's interface, which the keeper starts for each
 * message. */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "lib/log.h"
#include "smtpd/helper_ask.h"
#include "smtpd/submit.h"
#include "smtpd/submit_io.h"

#define PIPE_PIECE 4096 /* PIPE_BUF: a pipe that is ready takes so much without blocking */

static void close_all(struct submit *submit)
{
    submit_close(&submit->program.message);
    submit_close(&submit->program.envelope);
    submit_close(&submit->program.custom);
    submit_close(&submit->program.exited); /* the keeper ends a program that still runs */
    stralloc_free(&submit->program.pending);
}

static void nothing(struct submit *submit)
{
    (void)submit;
}

static void open_message(struct submit *submit, bool body_8bit, bool smtputf8)
{
    int fds[3];
    char const request = HELPER_QUEUE;
    int *const exited = &submit->program.exited;
    (void)body_8bit; /* the interface has no word for either */
    (void)smtputf8;
    *exited = helper_request(submit->connection->helper_requests, &request, 1);
    if (*exited >= 0 && submit_wait(*exited, POLLIN, SUBMIT_START_MILLISECONDS) &&
        helper_take_channels(*exited, fds, 3)) {
        submit->program.message = fds[0];
        submit->program.envelope = fds[1];
        submit->program.custom = fds[2];
        return;
    }
    log_failure("queueing-failed", "the queue program could not be started", 0);
    submit->failed = true;
}

static void write_pipe(struct submit *submit, int descriptor, char const *bytes, size_t length)
{
    while (length && !submit->failed) {
        ssize_t const written =
            submit_wait(descriptor, POLLOUT, SUBMIT_WRITE_MILLISECONDS)
                ? write(descriptor, bytes, length < PIPE_PIECE ? length : PIPE_PIECE)
                : -1;
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            submit->failed = true; /* its exit code will say why */
            return;
        }
        bytes += written;
        length -= (size_t)written;
    }
}

static void envelope(struct submit *submit, char const *bytes, size_t length)
{
    if (!stralloc_catb(&submit->program.pending, bytes, length))
        submit->failed = true;
}

static void message(struct submit *submit, char const *bytes, size_t length)
{
    write_pipe(submit, submit->program.message, bytes, length);
}

/* Reads the program's own words, as far as we take them, to the end of its fd 6. */
static void read_custom(struct submit *submit)
{
    size_t length = 0;
    char rest[256];
    while (submit_wait(submit->program.custom, POLLIN, SUBMIT_COMMIT_MILLISECONDS)) {
        bool const room = length < SUBMIT_TEXT_MAX;
        ssize_t const got = read(submit->program.custom, room ? submit->text + length : rest,
                                 room ? SUBMIT_TEXT_MAX - length : sizeof rest);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        if (room)
            length += (size_t)got;
    }
    submit->text[length] = 0;
}

static enum queue_status commit(struct submit *submit)
{
    int const exited = submit->program.exited;
    enum queue_status status = QUEUE_SYSTEM;
    submit_close(&submit->program.message);
    if (submit->program.envelope >= 0)
        write_pipe(submit, submit->program.envelope, submit->program.pending.s,
                   submit->program.pending.len);
    submit_close(&submit->program.envelope);
    if (submit->program.custom >= 0)
        read_custom(submit);
    if (exited >= 0 && submit_wait(exited, POLLIN, SUBMIT_COMMIT_MILLISECONDS)) {
        int const code = helper_take_exit(exited);
        status = code >= 0 ? (enum queue_status)code : QUEUE_SYSTEM;
    }
    /* A program that says 0 without having read everything has not queued this message. */
    if (status == QUEUE_OK && submit->failed)
        status = QUEUE_SYSTEM;
    close_all(submit);
    return status;
}

struct submit_way const submit_program = {.prepare = nothing,
                                          .open = open_message,
                                          .envelope = envelope,
                                          .message = message,
                                          .flush = nothing,
                                          .commit = commit,
                                          .abort = close_all,
                                          .end = nothing};
