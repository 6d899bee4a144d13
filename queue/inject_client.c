#include "queue/inject_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "configured.h"
#include "lib/clock.h"
#include "queue/inject_path.h"
#include "queue/injection.h"
#include "queue/queue_list.h"

/* All in milliseconds. */
#define CONNECT_MAX 60000 /* while more connections wait than the server's backlog holds */
#define BUSY_MAX    30000 /* while this user has too many connections */
#define PAUSE_FIRST 20    /* doubled each time */
#define PAUSE_LAST  1000

char const *inject_client_path(char const *given)
{
    char const *const path = given ? given : getenv("EKIDEN_INJECT");
    return path && *path ? path : CONFIGURED_INJECT;
}

void inject_client_close(struct inject_client *client)
{
    if (client->socket >= 0)
        close(client->socket);
    client->socket = -1;
}

static void fail(struct inject_client *client, enum queue_status status)
{
    if (client->status == QUEUE_OK)
        client->status = status;
}

/* The partner is gone, silent or out of order. */
static void lose(struct inject_client *client)
{
    fail(client, QUEUE_NETWORK);
    inject_client_close(client);
}

/* False: not in time. */
static bool await(struct inject_client const *client, short events)
{
    struct pollfd wanted = {.fd = client->socket, .events = events};
    int64_t const deadline = clock_milliseconds() + client->milliseconds;
    for (int64_t left; (left = deadline - clock_milliseconds()) > 0;) {
        int const ready = poll(&wanted, 1, (int)left);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return false;
    }
    errno = ETIMEDOUT;
    return false;
}

/* Receives an answer of at most SIZE bytes. 0: the partner is lost. */
static size_t receive(struct inject_client *client, char *bytes, size_t size)
{
    while (client->socket >= 0 && await(client, POLLIN)) {
        ssize_t const length = packet_receive(client->socket, bytes, size, NULL, NULL);
        if (length > 0)
            return (size_t)length;
        /* A partner that refused and went left its answer behind this error. */
        if (length == 0 || (errno != EINTR && errno != EAGAIN && errno != ECONNRESET))
            break;
    }
    lose(client);
    return 0;
}

static void take_next(struct inject_client *client, char const *id)
{
    memcpy(client->next, id, QUEUE_ID_LENGTH);
    client->next[QUEUE_ID_LENGTH] = 0;
}

/* Awaits the word that a message would be taken. */
static void await_next(struct inject_client *client)
{
    char answer[2 + QUEUE_ID_LENGTH];
    size_t const length = receive(client, answer, sizeof answer);
    if (length == 1 + QUEUE_ID_LENGTH && answer[0] == INJECTION_NEXT) {
        take_next(client, answer + 1);
        return;
    }
    if (length == 2 && answer[0] == INJECTION_STATUS && answer[1])
        fail(client, (enum queue_status)(unsigned char)answer[1]);
    lose(client);
}

static int least(int one, int other)
{
    return one < other ? one : other;
}

static int connect_to(char const *path, int milliseconds)
{
    struct timeval const patience = {.tv_sec = milliseconds / 1000,
                                     .tv_usec = milliseconds % 1000 * 1000};
    struct sockaddr_un address;
    int folder;
    if (!inject_path_address(&address, path, &folder))
        return -1;
    int const client = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    int result = client < 0 ? -1 : 0;
    if (result == 0)
        result = setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (result == 0)
        do
            result = connect(client, (struct sockaddr *)&address, sizeof address);
        while (result != 0 && errno == EINTR);
    if (result == 0)
        result = fcntl(client, F_SETFL, O_RDWR | O_NONBLOCK);
    int const number = errno;
    if (folder >= 0)
        close(folder);
    if (result != 0 && client >= 0)
        close(client);
    errno = number;
    return result == 0 ? client : -1;
}

static bool try_to_open(struct inject_client *client, char const *path)
{
    client->status = QUEUE_OK;
    client->bits = 0;
    client->gathered = 0;
    client->id[0] = client->next[0] = 0;
    client->socket = connect_to(path, least(CONNECT_MAX, client->milliseconds));
    if (client->socket < 0) {
        client->status = QUEUE_NETWORK;
        return false;
    }
    errno = 0;
    await_next(client);
    return client->status == QUEUE_OK;
}

bool inject_client_open(struct inject_client *client, char const *path, int milliseconds)
{
    int64_t const deadline = clock_milliseconds() + least(BUSY_MAX, milliseconds);
    client->milliseconds = milliseconds;
    int pause = PAUSE_FIRST;
    while (!try_to_open(client, path)) {
        if (client->status != QUEUE_BUSY || clock_milliseconds() >= deadline)
            return false;
        (void)poll(NULL, 0, pause);
        pause = least(pause * 2, PAUSE_LAST);
    }
    return true;
}

/* Sends what is gathered, and BYTES behind it: together no more than fits into a packet. */
static void send_packet(struct inject_client *client, char const *bytes, size_t length)
{
    char const bits = (char)client->bits;
    struct iovec const pieces[3] = {{.iov_base = (char *)&bits, .iov_len = 1},
                                    {.iov_base = client->gather, .iov_len = client->gathered},
                                    {.iov_base = (char *)bytes, .iov_len = length}};
    bool sent = false;
    while (client->socket >= 0 && !sent && await(client, POLLOUT)) {
        sent = packet_send(client->socket, pieces, 3, NULL, 0);
        if (!sent && errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM)
            break;
    }
    if (!sent)
        lose(client);
    client->bits = 0;
    client->gathered = 0;
}

static void put(struct inject_client *client, char const *bytes, size_t length)
{
    while (length && client->status == QUEUE_OK) {
        size_t const room = PACKET_DATA_MAX - client->gathered;
        size_t const piece = length < room ? length : room;
        if (client->gathered + piece <= sizeof client->gather) {
            memcpy(client->gather + client->gathered, bytes, piece);
            client->gathered += piece;
        } else {
            send_packet(client, bytes, piece);
        }
        bytes += piece;
        length -= piece;
    }
}

static void put_address(struct inject_client *client, char mark, char const *address, size_t length)
{
    put(client, &mark, 1);
    put(client, address, length);
    put(client, "", 1);
}

void inject_client_open_message(struct inject_client *client, bool body_8bit, bool smtputf8)
{
    client->status = client->socket < 0 ? QUEUE_NETWORK : QUEUE_OK;
    if (client->status == QUEUE_OK && !client->next[0])
        await_next(client); /* of an abort */
    memcpy(client->id, client->next, sizeof client->id);
    client->next[0] = 0;
    client->in_message = false;
    client->gathered = 0;
    client->bits =
        INJECTION_OPEN | (body_8bit ? INJECTION_8BIT : 0u) | (smtputf8 ? INJECTION_UTF8 : 0u);
}

void inject_client_stream(struct inject_client *client, char const *bytes, size_t length)
{
    client->in_message = true; /* the envelope's end is the caller's */
    put(client, bytes, length);
}

void inject_client_begin(struct inject_client *client, char const *sender, size_t length,
                         bool body_8bit, bool smtputf8)
{
    inject_client_open_message(client, body_8bit, smtputf8);
    if (length && memchr(sender, 0, length))
        fail(client, QUEUE_ENVELOPE);
    put_address(client, 'F', sender, length);
}

void inject_client_forwarded(struct inject_client *client)
{
    client->bits |= INJECTION_FORWARDED;
}

void inject_client_recipient(struct inject_client *client, char const *address, size_t length)
{
    if (!length || memchr(address, 0, length) || client->in_message)
        fail(client, QUEUE_ENVELOPE);
    put_address(client, ENVELOPE_TODO, address, length);
}

static void put_record(struct inject_client *client, enum envelope_letter letter, char const *text)
{
    if (text && *text)
        put_address(client, (char)letter, text, strlen(text));
}

void inject_client_dsn(struct inject_client *client, struct dsn_message const *dsn)
{
    put_record(client, ENVELOPE_ENVID, dsn->envid);
    put_record(client, ENVELOPE_RETURN, (char const[]){(char)dsn->return_wish, 0});
}

void inject_client_dsn_recipient(struct inject_client *client, struct dsn_recipient const *dsn)
{
    put_record(client, ENVELOPE_NOTIFY, dsn_notify_letters(dsn->notify));
    put_record(client, ENVELOPE_ORCPT, dsn->orcpt);
}

static void end_envelope(struct inject_client *client)
{
    if (!client->in_message)
        put(client, "", 1);
    client->in_message = true;
}

void inject_client_message(struct inject_client *client, char const *bytes, size_t length)
{
    end_envelope(client);
    put(client, bytes, length);
}

enum queue_status inject_client_commit(struct inject_client *client)
{
    char answer[2 + QUEUE_ID_LENGTH];
    end_envelope(client);
    if (client->status != QUEUE_OK) {
        inject_client_abort(client);
        return client->status;
    }
    client->bits |= INJECTION_COMMIT;
    send_packet(client, NULL, 0);
    if (client->status != QUEUE_OK)
        return client->status;
    size_t const length = receive(client, answer, sizeof answer);
    if (length != sizeof answer || answer[0] != INJECTION_STATUS) {
        lose(client);
        return client->status;
    }
    take_next(client, answer + 2);
    client->status = (enum queue_status)(unsigned char)answer[1];
    return client->status;
}

void inject_client_abort(struct inject_client *client)
{
    client->gathered = 0;
    if (client->socket < 0)
        return;
    if (client->bits & INJECTION_OPEN) {
        /* It was not told of the message yet: the id stays good for the next. */
        memcpy(client->next, client->id, sizeof client->next);
        return;
    }
    client->bits = INJECTION_ABORT;
    send_packet(client, NULL, 0);
}

enum queue_status inject_client_list(struct inject_client *client, inject_client_list_func *show,
                                     void *context)
{
    static char packet[QUEUE_LIST_PACKET_MAX];
    client->status = client->socket < 0 ? QUEUE_NETWORK : QUEUE_OK;
    client->bits = INJECTION_LIST;
    client->gathered = 0;
    send_packet(client, NULL, 0);
    while (client->status == QUEUE_OK) {
        size_t const length = receive(client, packet, sizeof packet);
        if (length == 2 && packet[0] == INJECTION_STATUS)
            return client->status = (enum queue_status)(unsigned char)packet[1];
        if (length)
            show(context, packet, length);
    }
    return client->status;
}

static struct {
    enum queue_status status;
    char const *text;
} const explanations[] = {
    {QUEUE_OK, "2.0.0 queued"},
    {QUEUE_ADDRESS_TOO_LONG, "5.1.3 an address is too long, or there are too many"},
    {QUEUE_REFUSED, "5.7.1 the queue refuses this message"},
    {QUEUE_TOO_LARGE, "5.3.4 the message is larger than this server takes"},
    {QUEUE_LOOP, "5.4.6 100 or more Received fields: the message is going round in a loop"},
    {QUEUE_NO_MEMORY, "4.3.0 the queue is out of memory"},
    {QUEUE_TIMEOUT, "4.3.0 the message took too long"},
    {QUEUE_WRITE, "4.3.1 the queue is full, or its disk is failing"},
    {QUEUE_READ, "4.3.0 the message could not be read"},
    {QUEUE_CONFIGURATION, "4.3.5 the queue is not set up well"},
    {QUEUE_NETWORK, "4.4.1 the queue cannot be reached; is ekiden-queue listening at its socket?"},
    {QUEUE_FOLDER, "4.3.0 the queue cannot be opened"},
    {QUEUE_BUSY, "4.7.1 too many messages or connections from this user; please try again later"},
    {QUEUE_PAUSED, "4.3.2 the operator has paused the intake of mail; please try again later"},
    {QUEUE_ENVELOPE, "5.1.3 the queue cannot read an address of the envelope"},
};

char const *inject_client_explain(enum queue_status status)
{
    for (size_t i = 0; i < sizeof explanations / sizeof *explanations; i++)
        if (explanations[i].status == status)
            return explanations[i].text;
    return inject_client_is_permanent(status) ? "5.3.0 the queue refuses this message"
                                              : "4.3.0 the queue is not working";
}

bool inject_client_is_permanent(enum queue_status status)
{
    return (status >= 11 && status <= 40) || status == QUEUE_ENVELOPE;
}
