#include "smtpd/submit.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/packet.h"
#include "queue/injection.h"
#include "smtpd/helper.h"

#define START_MILLISECONDS  30000
#define WRITE_MILLISECONDS  300000
#define COMMIT_MILLISECONDS 590000 /* a client waits ten minutes (RFC 5321 4.5.3.2.6) */

/* Waits for EVENTS on DESCRIPTOR. False after MILLISECONDS. */
static bool wait_for(int descriptor, short events, int milliseconds)
{
    struct pollfd wanted = {.fd = descriptor, .events = events};
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    time_t const deadline = now.tv_sec + milliseconds / 1000;
    for (;;) {
        int const ready = poll(&wanted, 1, milliseconds);
        if (ready > 0)
            return true;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (ready == 0 || errno != EINTR || now.tv_sec >= deadline)
            return false;
    }
}

static bool is_foreign(struct submit const *submit)
{
    return submit->connection->settings->queueprogram;
}

static void close_descriptor(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}

void submit_start(struct submit *submit, struct connection const *connection)
{
    *submit = (struct submit){.connection = connection,
                              .session = -1,
                              .message = -1,
                              .envelope = -1,
                              .custom = -1,
                              .exited = -1};
}

/* Asks for KIND. Returns our end of the pair, -1 after logging. */
static int request(int requests, char kind)
{
    int ends[2];
    struct iovec const letter = {.iov_base = &kind, .iov_len = 1};
    if (!packet_pair(ends)) {
        log_failure("queueing-failed", "socketpair", errno);
        return -1;
    }
    bool const sent = packet_send(requests, &letter, 1, ends + 1, 1);
    if (!sent)
        log_failure("queueing-failed", "request to the keeper", errno);
    close(ends[1]);
    if (sent)
        return ends[0];
    close(ends[0]);
    return -1;
}

/* --- our own injector --- */

/* Receives one answer of KIND with LENGTH bytes, the kind included. A partner that is gone, silent
 * or out of order costs the session. */
static bool receive(struct submit *submit, char kind, char *bytes, size_t length, int milliseconds)
{
    char packet[2 + QUEUE_ID_LENGTH];
    ssize_t got = -1;
    if (submit->session >= 0 && wait_for(submit->session, POLLIN, milliseconds))
        got = packet_receive(submit->session, packet, sizeof packet, NULL, NULL);
    if (got == (ssize_t)length && packet[0] == kind) {
        memcpy(bytes, packet + 1, length - 1);
        return true;
    }
    log_failure("queueing-failed", "the injector gave no answer", 0);
    close_descriptor(&submit->session);
    return false;
}

static void send_packet(struct submit *submit, char kind, char const *bytes, size_t length)
{
    struct iovec const pieces[2] = {{.iov_base = &kind, .iov_len = 1},
                                    {.iov_base = (char *)bytes, .iov_len = length}};
    if (submit->failed)
        return;
    if (wait_for(submit->session, POLLOUT, WRITE_MILLISECONDS) &&
        packet_send(submit->session, pieces, 2, NULL, 0))
        return;
    log_failure("queueing-failed", "the injector takes nothing", errno);
    close_descriptor(&submit->session);
    submit->failed = true;
}

static void send_pieces(struct submit *submit, char kind, char const *bytes, size_t length)
{
    while (length && !submit->failed) {
        size_t const piece = length < PACKET_DATA_MAX ? length : PACKET_DATA_MAX;
        send_packet(submit, kind, bytes, piece);
        bytes += piece;
        length -= piece;
    }
}

static void open_own(struct submit *submit, bool body_8bit, bool smtputf8)
{
    char const flags = (char)((body_8bit ? INJECTION_8BIT : 0) | (smtputf8 ? INJECTION_UTF8 : 0));
    submit_prepare(submit);
    if (!submit->next[0])
        submit->failed =
            !receive(submit, INJECTION_NEXT, submit->next, 1 + QUEUE_ID_LENGTH, START_MILLISECONDS);
    if (submit->failed)
        return;
    memcpy(submit->id, submit->next, sizeof submit->id);
    submit->next[0] = 0;
    send_packet(submit, INJECTION_OPEN, &flags, 1);
}

static enum queue_status commit_own(struct submit *submit)
{
    char answer[1 + QUEUE_ID_LENGTH];
    send_packet(submit, INJECTION_COMMIT, "", 0);
    if (submit->failed ||
        !receive(submit, INJECTION_STATUS, answer, sizeof answer + 1, COMMIT_MILLISECONDS)) {
        submit->next[0] = 0;
        return QUEUE_SYSTEM;
    }
    memcpy(submit->next, answer + 1, QUEUE_ID_LENGTH);
    return (enum queue_status)(unsigned char)answer[0];
}

static void abort_own(struct submit *submit)
{
    submit->next[0] = 0;
    if (!submit->failed)
        send_packet(submit, INJECTION_ABORT, "", 0);
}

/* --- another qmail-queue program --- */

static void close_foreign(struct submit *submit)
{
    close_descriptor(&submit->message);
    close_descriptor(&submit->envelope);
    close_descriptor(&submit->custom);
    close_descriptor(&submit->exited); /* the keeper ends a program that still runs */
    stralloc_free(&submit->pending_envelope);
}

static void open_foreign(struct submit *submit)
{
    int fds[3];
    unsigned int count = 3;
    char letter = '-';
    submit->exited = request(submit->connection->helper_requests, HELPER_QUEUE);
    if (submit->exited >= 0 && wait_for(submit->exited, POLLIN, START_MILLISECONDS) &&
        packet_receive(submit->exited, &letter, 1, fds, &count) == 1 && letter == '+' &&
        count == 3) {
        submit->message = fds[0];
        submit->envelope = fds[1];
        submit->custom = fds[2];
        return;
    }
    log_failure("queueing-failed", "the queue program could not be started", 0);
    submit->failed = true;
}

static void write_pipe(struct submit *submit, int descriptor, char const *bytes, size_t length)
{
    while (length && !submit->failed) {
        ssize_t const written = wait_for(descriptor, POLLOUT, WRITE_MILLISECONDS)
                                    ? write(descriptor, bytes, length < 4096 ? length : 4096)
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

/* Reads the program's own words, as far as we take them, to the end of its fd 6. */
static void read_custom(struct submit *submit)
{
    size_t length = 0;
    char rest[256];
    while (wait_for(submit->custom, POLLIN, COMMIT_MILLISECONDS)) {
        bool const room = length < SUBMIT_TEXT_MAX;
        ssize_t const got = read(submit->custom, room ? submit->text + length : rest,
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

static enum queue_status commit_foreign(struct submit *submit)
{
    char answer[2];
    enum queue_status status = QUEUE_SYSTEM;
    close_descriptor(&submit->message);
    if (submit->envelope >= 0)
        write_pipe(submit, submit->envelope, submit->pending_envelope.s,
                   submit->pending_envelope.len);
    close_descriptor(&submit->envelope);
    if (submit->custom >= 0)
        read_custom(submit);
    if (submit->exited >= 0 && wait_for(submit->exited, POLLIN, COMMIT_MILLISECONDS) &&
        packet_receive(submit->exited, answer, sizeof answer, NULL, NULL) == 2 && answer[0] == 'x')
        status = (enum queue_status)(unsigned char)answer[1];
    /* A program that says 0 without having read everything has not queued this message. */
    if (status == QUEUE_OK && submit->failed)
        status = QUEUE_SYSTEM;
    close_foreign(submit);
    return status;
}

/* --- both --- */

void submit_prepare(struct submit *submit)
{
    if (is_foreign(submit) || submit->session >= 0)
        return;
    submit->next[0] = 0;
    submit->session = request(submit->connection->injector_requests, HELPER_INJECTOR);
}

void submit_open(struct submit *submit, bool body_8bit, bool smtputf8)
{
    submit->open = true;
    submit->failed = false;
    submit->id[0] = submit->text[0] = 0;
    if (is_foreign(submit))
        open_foreign(submit);
    else
        open_own(submit, body_8bit, smtputf8);
}

void submit_envelope(struct submit *submit, char const *bytes, size_t length)
{
    if (!is_foreign(submit))
        send_pieces(submit, INJECTION_ENVELOPE, bytes, length);
    else if (!stralloc_catb(&submit->pending_envelope, bytes, length))
        submit->failed = true;
}

void submit_message(struct submit *submit, char const *bytes, size_t length)
{
    if (is_foreign(submit))
        write_pipe(submit, submit->message, bytes, length);
    else
        send_pieces(submit, INJECTION_MESSAGE, bytes, length);
}

enum queue_status submit_commit(struct submit *submit)
{
    submit->open = false;
    return is_foreign(submit) ? commit_foreign(submit) : commit_own(submit);
}

void submit_abort(struct submit *submit)
{
    if (!submit->open)
        return;
    submit->open = false;
    if (is_foreign(submit))
        close_foreign(submit);
    else
        abort_own(submit);
}

void submit_end(struct submit *submit)
{
    submit_abort(submit);
    close_descriptor(&submit->session);
}
