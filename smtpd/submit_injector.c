/* Queueing through our own injector: queue/injection.h is the protocol. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "lib/log.h"
#include "lib/packet.h"
#include "queue/injection.h"
#include "smtpd/helper_ask.h"
#include "smtpd/submit.h"
#include "smtpd/submit_io.h"

#define GATHER_MAX (16u << 10) /* a larger piece goes out from where it lies */

/* Receives one answer of KIND with LENGTH bytes, the kind included. A partner that is gone, silent
 * or out of order costs the session. */
static bool receive(struct submit *submit, char kind, char *bytes, size_t length, int milliseconds)
{
    char packet[2 + QUEUE_ID_LENGTH];
    int *const session = &submit->injector.session;
    ssize_t got = -1;
    if (*session >= 0) {
        got = packet_take(*session, packet, sizeof packet, NULL, NULL);
        if (got < 0 && errno == EAGAIN && submit_wait(*session, POLLIN, milliseconds))
            got = packet_take(*session, packet, sizeof packet, NULL, NULL);
    }
    if (got == (ssize_t)length && packet[0] == kind) {
        memcpy(bytes, packet + 1, length - 1);
        return true;
    }
    log_failure("queueing-failed", "the injector gave no answer", 0);
    submit_close(session);
    return false;
}

/* Sends what is gathered, and BYTES behind it: together no more than fits into a packet. */
static void send_packet(struct submit *submit, char const *bytes, size_t length)
{
    struct iovec const pieces[3] = {
        {.iov_base = &submit->injector.bits, .iov_len = 1},
        {.iov_base = submit->injector.gather, .iov_len = submit->injector.gathered},
        {.iov_base = (char *)bytes, .iov_len = length}};
    int *const session = &submit->injector.session;
    bool const ready = !submit->failed && submit_wait(*session, POLLOUT, SUBMIT_WRITE_MILLISECONDS);
    if (!submit->failed && (!ready || !packet_send(*session, pieces, 3, NULL, 0))) {
        log_failure("queueing-failed", "the injector takes nothing", errno);
        submit_close(session);
        submit->failed = true;
    }
    submit->injector.bits = 0;
    submit->injector.gathered = 0;
}

/* What is little waits for more: a small message is a single packet, and wakes the injector once.
 */
static void flush(struct submit *submit)
{
    if (submit->injector.gathered > GATHER_MAX)
        send_packet(submit, NULL, 0);
}

/* Envelope and message are one stream. */
static void put(struct submit *submit, char const *bytes, size_t length)
{
    while (length && !submit->failed) {
        size_t const room = PACKET_DATA_MAX - submit->injector.gathered;
        size_t const piece = length < room ? length : room;
        if (piece <= GATHER_MAX && piece < room) {
            memcpy(submit->injector.gather + submit->injector.gathered, bytes, piece);
            submit->injector.gathered += piece;
        } else {
            send_packet(submit, bytes, piece);
        }
        bytes += piece;
        length -= piece;
    }
}

static void prepare(struct submit *submit)
{
    char const request = HELPER_INJECTOR;
    if (submit->injector.session >= 0)
        return;
    submit->injector.next[0] = 0;
    submit->injector.session = helper_request(submit->connection->injector_requests, &request, 1);
}

static void open_message(struct submit *submit, bool body_8bit, bool smtputf8)
{
    char *const next = submit->injector.next;
    prepare(submit);
    if (!next[0])
        submit->failed =
            !receive(submit, INJECTION_NEXT, next, 1 + QUEUE_ID_LENGTH, SUBMIT_START_MILLISECONDS);
    if (submit->failed)
        return;
    memcpy(submit->id, next, QUEUE_ID_LENGTH);
    submit->id[QUEUE_ID_LENGTH] = 0;
    next[0] = 0;
    submit->injector.gathered = 0;
    submit->injector.bits = (unsigned char)(INJECTION_OPEN | (body_8bit ? INJECTION_8BIT : 0) |
                                            (smtputf8 ? INJECTION_UTF8 : 0));
}

static enum queue_status commit(struct submit *submit)
{
    char answer[1 + QUEUE_ID_LENGTH];
    submit->injector.bits |= INJECTION_COMMIT;
    send_packet(submit, NULL, 0);
    if (submit->failed)
        return QUEUE_SYSTEM;
    if (!receive(submit, INJECTION_STATUS, answer, 1 + sizeof answer, SUBMIT_COMMIT_MILLISECONDS))
        return QUEUE_UNKNOWN; /* it may have died behind the commit */
    memcpy(submit->injector.next, answer + 1, QUEUE_ID_LENGTH);
    return (enum queue_status)(unsigned char)answer[0];
}

static void abandon(struct submit *submit)
{
    submit->injector.gathered = 0;
    if (submit->injector.bits & INJECTION_OPEN) {
        /* It was not told of the message yet: the id stays good for the next. */
        memcpy(submit->injector.next, submit->id, QUEUE_ID_LENGTH);
        submit->injector.bits = 0;
        return;
    }
    submit->injector.bits = INJECTION_ABORT;
    send_packet(submit, NULL, 0);
}

static void end(struct submit *submit)
{
    submit_close(&submit->injector.session);
}

struct submit_way const submit_injector = {.prepare = prepare,
                                           .open = open_message,
                                           .envelope = put,
                                           .message = put,
                                           .flush = flush,
                                           .commit = commit,
                                           .abort = abandon,
                                           .end = end};
