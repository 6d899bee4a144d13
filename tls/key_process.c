#include "tls/key_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/descriptors.h"
#include "lib/log.h"
#include "lib/packet.h"
#include "tls/key_input.h"
#include "tls/key_pair.h"
#include "tls/key_protocol.h"
#include "tls/key_store.h"

#define EVENTS             64
#define AGAIN_MILLISECONDS 20 /* after which files that are being replaced are looked at again */
#define CHANNELS_MAX       50000

/* The other end is an engine's. */
struct channel {
    struct channel *previous, *next;
    int descriptor;
    unsigned int opens;
    struct key_entry *entry; /* whose chain was given last; 0: none */
    bool waits;              /* for files that are just being replaced */
    int64_t since;           /* when that began, in milliseconds */
    size_t length;
    char name[KEY_NAME_MAX]; /* for which it waits */
};

struct process {
    struct key_store store;
    int poll, channels;
    bool open; /* more channels may come */
    struct channel *first;
    size_t count, waiting;
};

/* --- channels --- */

static bool watch(struct process const *process, int descriptor, void *pointer)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = pointer};
    return epoll_ctl(process->poll, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

static void add_channel(struct process *process, int descriptor)
{
    struct channel *const channel =
        process->count < CHANNELS_MAX ? calloc(1, sizeof *channel) : NULL;
    if (!channel || !watch(process, descriptor, channel)) {
        log_failure("channel-refused", "too many, or out of memory", errno);
        free(channel);
        close(descriptor);
        return;
    }
    channel->descriptor = descriptor;
    channel->next = process->first;
    if (channel->next)
        channel->next->previous = channel;
    process->first = channel;
    process->count++;
}

static void stop_waiting(struct process *process, struct channel *channel)
{
    process->waiting -= channel->waits;
    channel->waits = false;
}

static void drop_channel(struct process *process, struct channel *channel)
{
    stop_waiting(process, channel);
    if (channel->entry)
        key_store_release(&process->store, channel->entry);
    if (channel->previous)
        channel->previous->next = channel->next;
    else
        process->first = channel->next;
    if (channel->next)
        channel->next->previous = channel->previous;
    process->count--;
    close(channel->descriptor);
    free(channel);
}

static void take_channel(struct process *process)
{
    char letter;
    int descriptor;
    unsigned int count = 1;
    ssize_t const length =
        packet_take(process->channels, &letter, sizeof letter, &descriptor, &count);
    if (length == 1 && letter == KEY_NEW && count == 1) {
        add_channel(process, descriptor);
        return;
    }
    if (length >= 0 && count)
        close(descriptor);
    if (length == 0) {
        epoll_ctl(process->poll, EPOLL_CTL_DEL, process->channels, NULL);
        process->open = false;
    }
}

/* --- answers --- */

/* Never waits: an engine that does not read its answers gets none. */
static bool send_answer(struct channel const *channel, void const *bytes, size_t length)
{
    return send(channel->descriptor, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static bool fail(struct channel const *channel, char const *text)
{
    char bytes[1 + KEY_TEXT_MAX];
    size_t const length = strnlen(text, KEY_TEXT_MAX);
    bytes[0] = KEY_FAILED;
    memcpy(bytes + 1, text, length);
    return send_answer(channel, bytes, 1 + length);
}

static bool give_chain(struct channel const *channel)
{
    static unsigned char bytes[KEY_PACKET_MAX];
    struct key_pair const *const pair = key_entry_pair(channel->entry);
    size_t length = 0;
    bytes[length++] = KEY_CHAIN;
    bytes[length++] = (unsigned char)pair->type;
    for (size_t i = 0; i < pair->chain.count; i++) {
        struct key_pem_object const *const object = pair->chain.objects + i;
        if (object->length > sizeof bytes - length - 3)
            return fail(channel, "the chain is too large");
        bytes[length++] = (unsigned char)(object->length >> 16);
        bytes[length++] = (unsigned char)(object->length >> 8);
        bytes[length++] = (unsigned char)object->length;
        memcpy(bytes + length, object->bytes, object->length);
        length += object->length;
    }
    return send_answer(channel, bytes, length);
}

/* --- questions --- */

/* Looks for the chain that the channel wants. False: it is cut off. */
static bool open_chain(struct process *process, struct channel *channel)
{
    char text[KEY_TEXT_MAX + 1];
    struct key_entry *entry;
    bool const may_wait =
        !channel->waits || clock_milliseconds() - channel->since < KEY_FRESH_MILLISECONDS;
    switch (
        key_store_open(&process->store, channel->name, channel->length, may_wait, &entry, text)) {
    case KEY_STORE_FOUND:
        stop_waiting(process, channel);
        if (channel->entry)
            key_store_release(&process->store, channel->entry);
        channel->entry = entry;
        return give_chain(channel);
    case KEY_STORE_LATER:
        if (!channel->waits) {
            channel->waits = true;
            channel->since = clock_milliseconds();
            process->waiting++;
        }
        return true;
    case KEY_STORE_BROKEN:
    default:
        stop_waiting(process, channel);
        return fail(channel, text);
    }
}

/* Signs, and is done with the channel: false. */
static bool sign(struct channel const *channel, unsigned char const *bytes, size_t length)
{
    unsigned char answer[1 + KEY_SIGNATURE_MAX] = {KEY_SIGN};
    if (length < 2 || !channel->entry || !key_input_is_exchange(bytes + 2, length - 2)) {
        log_failure("signature-refused", "an engine asked to sign what is no key exchange", 0);
        return false;
    }
    unsigned int const algorithm = (unsigned int)bytes[0] << 8 | bytes[1];
    size_t const size =
        key_pair_sign(key_entry_pair(channel->entry), algorithm, bytes + 2, length - 2, answer + 1);
    if (size)
        send_answer(channel, answer, 1 + size);
    return false;
}

/* Answers one question. False: the channel is done with. */
static bool serve(struct process *process, struct channel *channel)
{
    unsigned char bytes[1 + 2 + KEY_NAME_MAX + KEY_INPUT_MAX];
    ssize_t const length = packet_take(channel->descriptor, bytes, sizeof bytes, NULL, NULL);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (length <= 0 || channel->waits)
        return false;
    if (bytes[0] == KEY_SIGN)
        return sign(channel, bytes + 1, (size_t)length - 1);
    if (bytes[0] != KEY_OPEN || length > 1 + KEY_NAME_MAX || ++channel->opens > KEY_OPENS_MAX)
        return false;
    channel->length = (size_t)length - 1;
    memcpy(channel->name, bytes + 1, channel->length);
    return open_chain(process, channel);
}

static void look_again(struct process *process)
{
    struct channel *next;
    for (struct channel *channel = process->first; channel && process->waiting; channel = next) {
        next = channel->next;
        if (channel->waits && !open_chain(process, channel))
            drop_channel(process, channel);
    }
}

static void turn(struct process *process)
{
    struct epoll_event events[EVENTS];
    int const count =
        epoll_wait(process->poll, events, EVENTS, process->waiting ? AGAIN_MILLISECONDS : -1);
    for (int i = 0; i < count; i++) {
        struct channel *const channel = events[i].data.ptr;
        if (!channel)
            take_channel(process);
        else if (!serve(process, channel))
            drop_channel(process, channel);
    }
    if (process->waiting)
        look_again(process);
}

_Noreturn void key_process_run(struct control const *control, int channels)
{
    struct process process = {.channels = channels, .open = true};
    int const root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    key_store_start(&process.store, control);
    process.poll = epoll_create1(EPOLL_CLOEXEC);
    if (root < 0 || process.poll < 0 || !watch(&process, channels, NULL)) {
        log_failure("not-started", "the key process", errno);
        _exit(111);
    }
    key_process_fence(root);
    close(root);
    while (process.open || process.count)
        turn(&process);
    _exit(0);
}

_Noreturn void key_process_start(struct control const *control, int channels,
                                 struct privilege_user const *user)
{
    int kept[] = {channels, control->directory, STDERR_FILENO};
    descriptors_keep(kept, sizeof kept / sizeof *kept);
    privilege_drop(user, NULL);
    privilege_refuse_root();
    key_process_run(control, channels);
}
