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
#include "tls/key_engines.h"
#include "tls/key_input.h"
#include "tls/key_pair.h"
#include "tls/key_protocol.h"
#include "tls/key_resume.h"
#include "tls/key_sessions.h"
#include "tls/key_store.h"

#define EVENTS             64
#define AGAIN_MILLISECONDS 20  /* after which files that are being replaced are looked at again */
#define SWEEP_SECONDS      10  /* after which the sessions that are over are wiped */
#define RESUME_SECONDS     600 /* unless `tlsresumption` says something else */

struct process {
    struct key_store store;
    struct key_engines engines;
    int channels;
    bool open; /* more channels may come */
    struct key_sessions sessions;
    int64_t sweep; /* when the next one is due, in milliseconds */
};

static void drop(struct process *process, struct key_engine *engine)
{
    if (engine->entry)
        key_store_release(&process->store, engine->entry);
    key_engines_drop(&process->engines, engine);
}

static void take_channel(struct process *process)
{
    char letter;
    int descriptor;
    unsigned int count = 1;
    ssize_t const length =
        packet_take(process->channels, &letter, sizeof letter, &descriptor, &count);
    if (length == 1 && letter == KEY_NEW && count == 1) {
        key_engines_add(&process->engines, descriptor);
        return;
    }
    if (length >= 0 && count)
        close(descriptor);
    if (length == 0) {
        epoll_ctl(process->engines.poll, EPOLL_CTL_DEL, process->channels, NULL);
        process->open = false;
    }
}

/* --- answers --- */

/* Never waits: an engine that does not read its answers gets none. */
static bool send_answer(struct key_engine const *engine, void const *bytes, size_t length)
{
    return send(engine->descriptor, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static bool fail(struct key_engine const *engine, char const *text)
{
    char bytes[1 + KEY_TEXT_MAX];
    size_t const length = strnlen(text, KEY_TEXT_MAX);
    bytes[0] = KEY_FAILED;
    memcpy(bytes + 1, text, length);
    return send_answer(engine, bytes, 1 + length);
}

static bool give_chain(struct process const *process, struct key_engine const *engine)
{
    static unsigned char bytes[KEY_PACKET_MAX];
    struct key_pair const *const pair = key_entry_pair(engine->entry);
    size_t length = 0;
    bytes[length++] = KEY_CHAIN;
    bytes[length++] = (unsigned char)pair->type;
    bytes[length++] = process->sessions.seconds > 0;
    memcpy(bytes + length, engine->resume.id, KEY_ID_SIZE);
    length += KEY_ID_SIZE;
    for (size_t i = 0; i < pair->chain.count; i++) {
        struct key_pem_object const *const object = pair->chain.objects + i;
        if (object->length > sizeof bytes - length - 3)
            return fail(engine, "the chain is too large");
        bytes[length++] = (unsigned char)(object->length >> 16);
        bytes[length++] = (unsigned char)(object->length >> 8);
        bytes[length++] = (unsigned char)object->length;
        memcpy(bytes + length, object->bytes, object->length);
        length += object->length;
    }
    return send_answer(engine, bytes, length);
}

/* --- questions --- */

/* Looks for the chain that the channel wants. False: it is cut off. */
static bool open_chain(struct process *process, struct key_engine *engine)
{
    char text[KEY_TEXT_MAX + 1];
    struct key_entry *entry;
    bool const may_wait =
        !engine->waits || clock_milliseconds() - engine->since < KEY_FRESH_MILLISECONDS;
    switch (key_store_open(&process->store, engine->name, engine->length, may_wait, &entry, text)) {
    case KEY_STORE_FOUND:
        key_engines_stop_waiting(&process->engines, engine);
        if (engine->entry)
            key_store_release(&process->store, engine->entry);
        engine->entry = entry;
        return give_chain(process, engine);
    case KEY_STORE_LATER:
        if (!engine->waits) {
            engine->waits = true;
            engine->since = clock_milliseconds();
            process->engines.waiting++;
        }
        return true;
    case KEY_STORE_BROKEN:
    default:
        key_engines_stop_waiting(&process->engines, engine);
        return fail(engine, text);
    }
}

/* Signs. False: the channel is done with, unless a session is to be kept. */
static bool sign(struct process const *process, struct key_engine *engine,
                 unsigned char const *bytes, size_t length)
{
    unsigned char answer[1 + KEY_SIGNATURE_MAX] = {KEY_SIGN};
    if (engine->is_signed)
        return false;
    if (length < 2 || !engine->entry || !key_input_is_exchange(bytes + 2, length - 2)) {
        log_failure("signature-refused", "an engine asked to sign what is no key exchange", 0);
        return false;
    }
    unsigned int const algorithm = (unsigned int)bytes[0] << 8 | bytes[1];
    size_t const size =
        key_pair_sign(key_entry_pair(engine->entry), algorithm, bytes + 2, length - 2, answer + 1);
    engine->is_signed = size && send_answer(engine, answer, 1 + size);
    return engine->is_signed && process->sessions.seconds > 0;
}

/* Looks for the session that a client wants to resume. Whatever is wrong, there is none: the client
 * gets a full handshake. False: the channel is cut off. */
static bool load(struct process *process, struct key_engine *engine, struct key_question question)
{
    unsigned char answer[KEY_RESUMED_SIZE];
    char text[KEY_TEXT_MAX + 1];
    char const *name;
    size_t length, size = 0;
    struct key_entry *entry;
    if (!key_resume_ask(&engine->resume, question, &name, &length))
        return false;
    if (key_store_open(&process->store, name, length, true, &entry, text) == KEY_STORE_FOUND) {
        size = key_resume_load(&process->sessions, &engine->resume, question,
                               key_entry_number(entry), answer);
        key_store_release(&process->store, entry);
    }
    bool const sent = size ? send_answer(engine, answer, size) : fail(engine, "no such session");
    explicit_bzero(answer, sizeof answer);
    return sent;
}

static bool finish(struct key_engine *engine, struct key_question question)
{
    unsigned char answer[KEY_FINISHED_ANSWER_SIZE];
    return key_resume_finish(&engine->resume, question, answer) &&
           send_answer(engine, answer, sizeof answer);
}

static bool keep(struct process *process, struct key_engine *engine, struct key_question question)
{
    return engine->is_signed &&
           key_resume_keep(&process->sessions, &engine->resume, question,
                           key_entry_number(engine->entry), engine->name, engine->length);
}

/* False: the channel is done with. */
static bool answer_question(struct process *process, struct key_engine *engine,
                            unsigned char const *bytes, size_t length)
{
    struct key_question const question = {.bytes = bytes + 1, .length = length - 1};
    switch (bytes[0]) {
    case KEY_OPEN:
        if (length > 1 + KEY_NAME_MAX || engine->is_signed || ++engine->opens > KEY_OPENS_MAX)
            return false;
        engine->length = length - 1;
        memcpy(engine->name, bytes + 1, engine->length);
        return open_chain(process, engine);
    case KEY_SIGN:
        return sign(process, engine, question.bytes, question.length);
    case KEY_KEEP:
        return keep(process, engine, question);
    case KEY_LOAD:
        return load(process, engine, question);
    case KEY_FINISH:
        return finish(engine, question);
    default:
        return false;
    }
}

/* Takes one question. False: the channel is done with. */
static bool serve(struct process *process, struct key_engine *engine)
{
    unsigned char bytes[1 + 2 + KEY_NAME_MAX + KEY_INPUT_MAX];
    ssize_t const length = packet_take(engine->descriptor, bytes, sizeof bytes, NULL, NULL);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (length <= 0 || engine->waits)
        return false;
    bool const served = answer_question(process, engine, bytes, (size_t)length);
    explicit_bzero(bytes, sizeof bytes);
    return served;
}

static void look_again(struct process *process)
{
    struct key_engine *next;
    for (struct key_engine *engine = process->engines.first; engine && process->engines.waiting;
         engine = next) {
        next = engine->next;
        if (engine->waits && !open_chain(process, engine))
            drop(process, engine);
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
    for (struct key_engine *engine = process->engines.first; engine; engine = engine->next)
        key_resume_expire(&engine->resume, clock_seconds());
}

static int wait_milliseconds(struct process const *process)
{
    if (process->engines.waiting)
        return AGAIN_MILLISECONDS;
    if (!process->sessions.count && !process->engines.count)
        return -1;
    int64_t const now = clock_milliseconds();
    return now < process->sweep ? (int)(process->sweep - now) : 0;
}

static void turn(struct process *process)
{
    struct epoll_event events[EVENTS];
    int const count = epoll_wait(process->engines.poll, events, EVENTS, wait_milliseconds(process));
    for (int i = 0; i < count; i++) {
        struct key_engine *const engine = events[i].data.ptr;
        if (!engine)
            take_channel(process);
        else if (!serve(process, engine))
            drop(process, engine);
    }
    if (process->engines.waiting)
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
    process.engines.poll = epoll_create1(EPOLL_CLOEXEC);
    if (root < 0 || process.engines.poll < 0 ||
        !key_engines_watch(&process.engines, channels, NULL) ||
        !key_sessions_start(&process.sessions, lasts ? read_lifetime(control) : 0)) {
        log_failure("not-started", "the key process", errno);
        _exit(111);
    }
    key_process_fence(root);
    close(root);
    while (process.open || process.engines.count)
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
