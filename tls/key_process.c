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
#include "tls/key_resume.h"
#include "tls/key_sessions.h"
#include "tls/key_store.h"

#define EVENTS             64
#define AGAIN_MILLISECONDS 20 /* after which files that are being replaced are looked at again */
#define CHANNELS_MAX       50000
#define SWEEP_SECONDS      10  /* after which the sessions that are over are wiped */
#define RESUME_SECONDS     600 /* unless `tlsresumption` says something else */

/* The other end is an engine's. */
struct channel {
    struct channel *previous, *next;
    int descriptor;
    unsigned int opens;
    bool is_signed;
    struct key_resume resume;
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
    struct key_sessions sessions;
    int64_t sweep; /* when the next one is due, in milliseconds */
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
    if (!channel || !key_resume_start(&channel->resume) || !watch(process, descriptor, channel)) {
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
    explicit_bzero(channel, sizeof *channel);
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

static bool give_chain(struct process const *process, struct channel const *channel)
{
    static unsigned char bytes[KEY_PACKET_MAX];
    struct key_pair const *const pair = key_entry_pair(channel->entry);
    size_t length = 0;
    bytes[length++] = KEY_CHAIN;
    bytes[length++] = (unsigned char)pair->type;
    bytes[length++] = process->sessions.seconds > 0;
    memcpy(bytes + length, channel->resume.id, KEY_ID_SIZE);
    length += KEY_ID_SIZE;
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
        return give_chain(process, channel);
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

/* Signs. False: the channel is done with, unless a session is to be kept. */
static bool sign(struct process const *process, struct channel *channel, unsigned char const *bytes,
                 size_t length)
{
    unsigned char answer[1 + KEY_SIGNATURE_MAX] = {KEY_SIGN};
    if (channel->is_signed)
        return false;
    if (length < 2 || !channel->entry || !key_input_is_exchange(bytes + 2, length - 2)) {
        log_failure("signature-refused", "an engine asked to sign what is no key exchange", 0);
        return false;
    }
    unsigned int const algorithm = (unsigned int)bytes[0] << 8 | bytes[1];
    size_t const size =
        key_pair_sign(key_entry_pair(channel->entry), algorithm, bytes + 2, length - 2, answer + 1);
    channel->is_signed = size && send_answer(channel, answer, 1 + size);
    return channel->is_signed && process->sessions.seconds > 0;
}

/* Looks for the session that a client wants to resume. Whatever is wrong, there is none: the client
 * gets a full handshake. False: the channel is cut off. */
static bool load(struct process *process, struct channel *channel, struct key_question question)
{
    unsigned char answer[KEY_RESUMED_SIZE];
    char text[KEY_TEXT_MAX + 1];
    char const *name;
    size_t length, size = 0;
    struct key_entry *entry;
    if (!key_resume_ask(&channel->resume, question, &name, &length))
        return false;
    if (key_store_open(&process->store, name, length, true, &entry, text) == KEY_STORE_FOUND) {
        size = key_resume_load(&process->sessions, &channel->resume, question,
                               key_entry_number(entry), answer);
        key_store_release(&process->store, entry);
    }
    bool const sent = size ? send_answer(channel, answer, size) : fail(channel, "no such session");
    explicit_bzero(answer, sizeof answer);
    return sent;
}

static bool finish(struct channel *channel, struct key_question question)
{
    unsigned char answer[KEY_FINISHED_ANSWER_SIZE];
    return key_resume_finish(&channel->resume, question, answer) &&
           send_answer(channel, answer, sizeof answer);
}

static bool keep(struct process *process, struct channel *channel, struct key_question question)
{
    return channel->is_signed &&
           key_resume_keep(&process->sessions, &channel->resume, question,
                           key_entry_number(channel->entry), channel->name, channel->length);
}

/* False: the channel is done with. */
static bool answer_question(struct process *process, struct channel *channel,
                            unsigned char const *bytes, size_t length)
{
    struct key_question const question = {.bytes = bytes + 1, .length = length - 1};
    switch (bytes[0]) {
    case KEY_OPEN:
        if (length > 1 + KEY_NAME_MAX || channel->is_signed || ++channel->opens > KEY_OPENS_MAX)
            return false;
        channel->length = length - 1;
        memcpy(channel->name, bytes + 1, channel->length);
        return open_chain(process, channel);
    case KEY_SIGN:
        return sign(process, channel, question.bytes, question.length);
    case KEY_KEEP:
        return keep(process, channel, question);
    case KEY_LOAD:
        return load(process, channel, question);
    case KEY_FINISH:
        return finish(channel, question);
    default:
        return false;
    }
}

/* Takes one question. False: the channel is done with. */
static bool serve(struct process *process, struct channel *channel)
{
    unsigned char bytes[1 + 2 + KEY_NAME_MAX + KEY_INPUT_MAX];
    ssize_t const length = packet_take(channel->descriptor, bytes, sizeof bytes, NULL, NULL);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (length <= 0 || channel->waits)
        return false;
    bool const served = answer_question(process, channel, bytes, (size_t)length);
    explicit_bzero(bytes, sizeof bytes);
    return served;
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

static bool is_current(void const *context, uint64_t certificate)
{
    return key_store_is_current(context, certificate);
}

static void sweep(struct process *process)
{
    int64_t const now = clock_milliseconds();
    if (now < process->sweep)
        return;
    process->sweep = now + SWEEP_SECONDS * 1000;
    key_sessions_sweep(&process->sessions, is_current, &process->store);
    for (struct channel *channel = process->first; channel; channel = channel->next)
        key_resume_expire(&channel->resume, clock_seconds());
}

static int wait_milliseconds(struct process const *process)
{
    if (process->waiting)
        return AGAIN_MILLISECONDS;
    if (!process->sessions.count && !process->count)
        return -1;
    int64_t const now = clock_milliseconds();
    return now < process->sweep ? (int)(process->sweep - now) : 0;
}

static void turn(struct process *process)
{
    struct epoll_event events[EVENTS];
    int const count = epoll_wait(process->poll, events, EVENTS, wait_milliseconds(process));
    for (int i = 0; i < count; i++) {
        struct channel *const channel = events[i].data.ptr;
        if (!channel)
            take_channel(process);
        else if (!serve(process, channel))
            drop_channel(process, channel);
    }
    if (process->waiting)
        look_again(process);
    sweep(process);
}

/* In seconds. What is wrong with it takes resumption away, and nothing else. */
static unsigned int read_lifetime(struct control const *control)
{
    struct control_error error;
    uint64_t seconds = RESUME_SECONDS;
    if (control_number(control, "tlsresumption", &seconds, 0, KEY_SESSIONS_SECONDS_MAX, &error) ==
        CONTROL_ERROR) {
        log_failure("tls-resumption-off", error.text, 0);
        return 0;
    }
    return (unsigned int)seconds;
}

_Noreturn void key_process_run(struct control const *control, int channels, bool lasts)
{
    struct process process = {.channels = channels, .open = true};
    int const root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    key_store_start(&process.store, control);
    process.poll = epoll_create1(EPOLL_CLOEXEC);
    if (root < 0 || process.poll < 0 || !watch(&process, channels, NULL) ||
        !key_sessions_start(&process.sessions, lasts ? read_lifetime(control) : 0)) {
        log_failure("not-started", "the key process", errno);
        _exit(111);
    }
    key_process_fence(root);
    close(root);
    while (process.open || process.count)
        turn(&process);
    key_sessions_end(&process.sessions);
    _exit(0);
}

_Noreturn void key_process_start(struct control const *control, int channels, bool lasts,
                                 struct privilege_user const *user)
{
    int kept[] = {channels, control->directory, STDERR_FILENO};
    descriptors_keep(kept, sizeof kept / sizeof *kept);
    privilege_drop(user, NULL);
    privilege_refuse_root();
    key_process_run(control, channels, lasts);
}
