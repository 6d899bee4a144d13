#include "queue/injection.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/fmtscan.h>
#include <skalibs/types.h>

#include "lib/clock.h"
#include "lib/date.h"
#include "lib/hops.h"
#include "lib/log.h"
#include "queue/queue_list.h"
#include "queue/wake.h"

struct injector {
    int socket, folder, wake;
    struct queue_count *count;
    struct inject_peer const *peer; /* 0: a session of ours */
    bool open;                      /* a message was opened and not committed */
    bool refused;                   /* the partner was, for good */
    time_t opened;                  /* of a peer's message, on the monotonic clock */
    char next[QUEUE_ID_LENGTH + 1]; /* the id of the next message */
    struct hops hops;
    uint64_t taken; /* bytes of the message, without our own Received */
    struct queue_file file;
    char packet[1 + PACKET_DATA_MAX];
};

static bool answer(struct injector *injector, char const *bytes, size_t length)
{
    struct iovec const piece = {.iov_base = (char *)bytes, .iov_len = length};
    return packet_send(injector->socket, &piece, 1, NULL, 0);
}

static bool send_next(struct injector *injector)
{
    char bytes[1 + QUEUE_ID_LENGTH] = {INJECTION_NEXT};
    queue_file_name(injector->next);
    memcpy(bytes + 1, injector->next, QUEUE_ID_LENGTH);
    return answer(injector, bytes, sizeof bytes);
}

/* While a message of a peer is open SIGTERM waits: it is finished, or given up by who sent it. */
static void hold_end(struct injector const *injector, bool hold)
{
    sigset_t end;
    if (!injector->peer)
        return;
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &end, NULL);
}

static void fail(struct queue_file *file, enum queue_status status)
{
    if (file->status == QUEUE_OK)
        file->status = status;
}

static bool take(struct inject_peer const *peer, bool recipients, uint64_t count)
{
    if (!peer || !peer->account || peer->unlimited)
        return true;
    return recipients
               ? inject_limits_take(&peer->account->recipients, peer->settings.recipients, count)
               : inject_limits_take(&peer->account->messages, peer->settings.messages, count);
}

/* What the queue lacks for one more message of PEER. One that is forwarded leaves with the next
 * try: a queue that is full of such would else never get empty. */
static enum queue_lack look(struct inject_peer const *peer, unsigned int bits)
{
    return !peer || (bits & INJECTION_FORWARDED)
               ? QUEUE_LACKS_NOTHING
               : queue_room_look(&peer->room, &peer->settings.room, 0);
}

static void open_message(struct injector *injector, unsigned int bits)
{
    struct queue_file *const file = &injector->file;
    hold_end(injector, true);
    injector->opened = clock_seconds();
    injector->taken = 0;
    hops_start(&injector->hops);
    queue_file_create(file, injector->folder, injector->next,
                      (bits & INJECTION_8BIT ? QUEUE_8BIT : 0u) |
                          (bits & INJECTION_UTF8 ? QUEUE_UTF8 : 0u) |
                          (bits & INJECTION_FORWARDED ? QUEUE_FORWARDED : 0u));
    enum queue_lack const lack = look(injector->peer, bits);
    if (lack != QUEUE_LACKS_NOTHING)
        fail(file, lack == QUEUE_IS_PAUSED ? QUEUE_PAUSED : QUEUE_WRITE);
    else if (!take(injector->peer, false, 1))
        fail(file, QUEUE_BUSY);
}

/* The trace field of a peer's message (RFC 5321 4.4 has none for what did not come by SMTP; this is
 * qmail's form, which names nobody but the number that the kernel knows). */
static void put_received(struct queue_file *file, uid_t uid)
{
    char text[96 + QUEUE_ID_LENGTH + UINT64_FMT + DATE_SIZE];
    size_t length = str_fmt(text, "Received: (ekiden-queue ");
    length += str_fmt(text + length, file->id);
    length += str_fmt(text + length, " invoked by uid ");
    length += uint64_fmt(text + length, uid);
    memcpy(text + length, ");\n ", 4); /* str_fmt would write the line end as \0x0a */
    length += 4;
    length += date_format(text + length, time(NULL));
    text[length++] = '\n';
    queue_file_message(file, text, length);
}

/* The envelope of a peer is over. */
static void begin_message(struct injector *injector)
{
    struct inject_peer const *const peer = injector->peer;
    struct queue_file *const file = &injector->file;
    uint64_t const recipients = file->envelope.recipients;
    if (peer->account && !peer->unlimited && peer->settings.recipients &&
        recipients > peer->settings.recipients)
        fail(file, QUEUE_ADDRESS_TOO_LONG); /* waiting would not help */
    else if (!take(peer, true, recipients))
        fail(file, QUEUE_BUSY);
    put_received(file, peer->uid);
}

static void put_message(struct injector *injector, char const *bytes, size_t length)
{
    struct queue_file *const file = &injector->file;
    uint64_t const limit = injector->peer ? injector->peer->settings.databytes : 0;
    if (injector->peer)
        hops_add(&injector->hops, bytes, length);
    if (injector->hops.count >= HOPS_MAX)
        fail(file, QUEUE_LOOP);
    injector->taken += length;
    if (limit && injector->taken > limit)
        fail(file, QUEUE_TOO_LARGE);
    queue_file_message(file, bytes, length);
}

static void put(struct injector *injector, char const *bytes, size_t length)
{
    struct queue_file *const file = &injector->file;
    size_t used = 0;
    if (!file->in_message && file->status == QUEUE_OK) {
        queue_file_put_envelope(file, bytes, length, &used);
        if (file->in_message && injector->peer)
            begin_message(injector);
    }
    if (file->in_message && used < length)
        put_message(injector, bytes + used, length - used);
}

static void log_injected(struct injector const *injector)
{
    struct queue_file const *const file = &injector->file;
    struct log_line line;
    log_begin(&line, file->status == QUEUE_OK ? "injected" : "not-injected");
    log_text(&line, "id", file->id);
    log_number(&line, "uid", injector->peer->uid);
    log_number(&line, "rcpts", file->envelope.recipients);
    log_number(&line, "bytes", file->message_length);
    if (file->status != QUEUE_OK)
        log_number(&line, "status", (uint64_t)file->status);
    log_write(&line);
}

static bool commit(struct injector *injector)
{
    char bytes[2 + QUEUE_ID_LENGTH] = {INJECTION_STATUS};
    enum queue_status const status = queue_file_commit(&injector->file);
    if (status == QUEUE_OK) {
        queue_count_add(injector->count, 1);
        wake_scheduler(injector->wake, injector->file.id);
    }
    if (injector->peer)
        log_injected(injector);
    bytes[1] = (char)status;
    queue_file_name(injector->next);
    memcpy(bytes + 2, injector->next, QUEUE_ID_LENGTH);
    return answer(injector, bytes, sizeof bytes);
}

static bool refuse(struct injector *injector, char const *what)
{
    struct log_line line;
    injector->refused = true;
    log_begin(&line, "injection-refused");
    log_text(&line, "what", what);
    if (injector->peer)
        log_number(&line, "uid", injector->peer->uid);
    log_write(&line);
    return false;
}

static bool list(struct injector *injector)
{
    struct inject_peer const *const peer = injector->peer;
    char bytes[2] = {INJECTION_STATUS, QUEUE_REFUSED};
    if (peer->lists)
        bytes[1] = (char)(queue_list_send(peer->queue, injector->socket) ? QUEUE_OK : QUEUE_READ);
    return answer(injector, bytes, sizeof bytes);
}

/* True for bits that can come now: OPEN where no message is open and nowhere else, its flags with
 * it, one end at most. */
static bool is_in_order(struct injector const *injector, unsigned int bits)
{
    unsigned int const flags = INJECTION_8BIT | INJECTION_UTF8 | INJECTION_FORWARDED;
    unsigned int const ends = INJECTION_COMMIT | INJECTION_ABORT;
    if ((bits & ~(INJECTION_OPEN | flags | ends)) || (bits & ends) == ends)
        return false;
    return bits & INJECTION_OPEN ? !injector->open : injector->open && !(bits & flags);
}

/* Handles one packet. False ends the session: the partner broke the protocol, or is gone. */
static bool handle(struct injector *injector, size_t length)
{
    unsigned int const bits = (unsigned char)injector->packet[0];
    if (injector->peer && bits == INJECTION_LIST && length == 1 && !injector->open)
        return list(injector);
    if (!is_in_order(injector, bits))
        return refuse(injector, "the partner broke the protocol");
    if (injector->peer && injector->open &&
        clock_seconds() - injector->opened > INJECT_MESSAGE_SECONDS)
        return refuse(injector, "the message took more than an hour");
    if (bits & INJECTION_OPEN)
        open_message(injector, bits);
    put(injector, injector->packet + 1, length - 1);
    injector->open = !(bits & (INJECTION_COMMIT | INJECTION_ABORT));
    if (injector->open)
        return true;
    bool going;
    if (bits & INJECTION_ABORT) {
        queue_file_abort(&injector->file);
        going = send_next(injector); /* another id: Received of two messages must not share one */
    } else {
        going = commit(injector);
    }
    hold_end(injector, false);
    return going;
}

int injector_serve(int socket, int folder, int wake, struct queue_count *count,
                   struct inject_peer const *peer)
{
    /* One partner at a time; static memory is touched only as far as messages need it. */
    static struct injector injector;
    injector.socket = socket;
    injector.folder = folder;
    injector.wake = wake;
    injector.count = count;
    injector.peer = peer;
    injector.open = injector.refused = false;
    injector.file.descriptor = -1;
    bool going = send_next(&injector);
    while (going) {
        ssize_t const length =
            packet_receive(socket, injector.packet, sizeof injector.packet, NULL, NULL);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0 && errno == EAGAIN)
            refuse(&injector, "the partner was silent for too long");
        if (length <= 0)
            break;
        going = handle(&injector, (size_t)length);
    }
    queue_file_abort(&injector.file);
    return injector.refused ? 100 : 0;
}
