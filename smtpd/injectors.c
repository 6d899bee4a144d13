#include "smtpd/injectors.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/descriptors.h"
#include "lib/log.h"
#include "lib/packet.h"
#include "lib/process.h"
#include "queue/injection.h"
#include "smtpd/fence.h"
#include "smtpd/helper.h"

/* A dialogue that is in order asks for one injector; this bounds one that is not. Not by the number
 * of sessions, which a change of configuration may raise. */
#define INJECTORS_MAX           100000
#define SPARES                  2 /* wait at any time */
#define SPARES_MAX              32 /* stay after a rush, for a while: a fork costs more than they do */
#define IDLE_MILLISECONDS       10000
#define FORK_AGAIN_MILLISECONDS 100
#define END_SECONDS             5 /* for those at work when nobody can ask any more */

enum injector_state { INJECTOR_NONE, INJECTOR_WAITS, INJECTOR_WORKS };

/* What they know of each other. */
struct injector_table {
    _Atomic size_t used; /* states beyond have never been anybody's */
    _Atomic unsigned char states[INJECTORS_MAX];
};

struct injectors {
    struct template const *template;
    struct queue_count *messages;
    struct injector_table *table;
    struct children children; /* numbered by their place in the table */
    int requests;
    int taken[2]; /* a pipe: the last one that waited has got a session */
};

/* How many wait at the places before END. */
static size_t count_waiting(struct injectors const *injectors, size_t end)
{
    size_t waiting = 0;
    for (size_t i = 0; i < end; i++)
        waiting += atomic_load(&injectors->table->states[i]) == INJECTOR_WAITS;
    return waiting;
}

/* --- one of them --- */

/* Each has an epoll of its own, with EPOLLEXCLUSIVE, so that a request wakes one of them. */
static int watch(int requests)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE};
    int const poll = epoll_create1(EPOLL_CLOEXEC);
    if (poll < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, requests, &event) != 0) {
        log_failure("injector-failed", "epoll", errno);
        _exit(111);
    }
    return poll;
}

/* The next session's socket; -1: ask again. Ends the process when nobody is left who could ask. */
static int take_session(int requests)
{
    char letter;
    int session = -1;
    unsigned int count = 1;
    ssize_t const length = packet_take(requests, &letter, 1, &session, &count);
    if (length == 0)
        _exit(0);
    if (length < 0 || count != 1)
        return -1;
    if (letter == HELPER_INJECTOR)
        return session;
    close(session);
    return -1;
}

/* Those at lower places stay, so that not all leave at once. SIGTERM ends only whom the template
 * has left alone: a service manager may send it to all, and sessions still end in their own time.
 */
static int await_session(struct injectors const *injectors, int poll, size_t place, pid_t parent)
{
    for (;;) {
        struct epoll_event event;
        if (*process_stop() && getppid() != parent)
            _exit(0);
        int const ready = epoll_pwait(poll, &event, 1, IDLE_MILLISECONDS, process_waiting());
        /* After a time without a request, too: one lies there when it woke one that was killed. */
        int const session = ready >= 0 ? take_session(injectors->requests) : -1;
        if (session >= 0)
            return session;
        if (ready == 0 && count_waiting(injectors, place) >= SPARES)
            _exit(0);
    }
}

_Noreturn static void inject(struct injectors const *injectors, size_t place, pid_t parent)
{
    struct template const *const template = injectors->template;
    process_end_with(parent);
    fence_no_fork();
    close(injectors->taken[0]);
    int const poll = watch(injectors->requests);
    int exit_code;
    do {
        int const session = await_session(injectors, poll, place, parent);
        atomic_store(&injectors->table->states[place], INJECTOR_WORKS);
        /* The pipe is full only when the template has enough to read already. */
        if (!count_waiting(injectors, atomic_load(&injectors->table->used)) &&
            write(injectors->taken[1], "", 1) < 0 && errno != EAGAIN)
            log_failure("template-not-told", "write", errno);
        exit_code =
            injector_serve(session, template->folder, template->wake, injectors->messages, NULL);
        close(session);
        if (exit_code == 0)
            atomic_store(&injectors->table->states[place], INJECTOR_WAITS);
        /* After a partner that was out of order nobody else gets this process. */
    } while (exit_code == 0 && count_waiting(injectors, place) < SPARES_MAX);
    _exit(exit_code);
}

/* --- the template --- */

/* Forks one more. False: not now. */
static bool fork_injector(struct injectors *injectors)
{
    struct injector_table *const table = injectors->table;
    pid_t const parent = getpid();
    size_t place = 0;
    while (place < INJECTORS_MAX && atomic_load(&table->states[place]) != INJECTOR_NONE)
        place++;
    if (place == INJECTORS_MAX || !children_reserve(&injectors->children))
        return false;
    if (place >= atomic_load(&table->used))
        atomic_store(&table->used, place + 1);
    atomic_store(&table->states[place], INJECTOR_WAITS);
    pid_t const pid = process_fork("smtpd-injector");
    if (pid == 0)
        inject(injectors, place, parent);
    if (pid < 0)
        atomic_store(&table->states[place], INJECTOR_NONE);
    else
        children_add(&injectors->children, pid, (int)place);
    return pid > 0;
}

static void reap(struct injectors *injectors)
{
    struct child ended;
    int status;
    while (children_reap(&injectors->children, &ended, &status))
        if (ended.number >= 0)
            atomic_store(&injectors->table->states[ended.number], INJECTOR_NONE);
}

static void drain(int descriptor)
{
    char bytes[256];
    while (read(descriptor, bytes, sizeof bytes) == (ssize_t)sizeof bytes)
        ;
}

/* When nobody can ask any more the sessions of those at work have ended as well; or one that was
 * taken over has shut the socket for all, and keeps its injector: the keeper must hear of it. */
_Noreturn static void run(struct injectors *injectors)
{
    bool open = true;
    time_t late = 0;
    while (open || (injectors->children.count && clock_seconds() < late)) {
        bool forked = true;
        size_t const used = atomic_load(&injectors->table->used);
        for (size_t i = count_waiting(injectors, used); open && forked && i < SPARES; i++)
            forked = fork_injector(injectors);
        /* Of the requests only the end is looked at; at its end a socket is not polled again. */
        struct pollfd polled[2] = {{.fd = injectors->taken[0], .events = POLLIN},
                                   {.fd = open ? injectors->requests : -1, .events = POLLRDHUP}};
        struct timespec const again = {.tv_nsec = FORK_AGAIN_MILLISECONDS * 1000000};
        ppoll(polled, 2, forked && open ? NULL : &again, process_waiting());
        if (polled[0].revents)
            drain(injectors->taken[0]);
        if (polled[1].revents) {
            open = false;
            late = clock_seconds() + END_SECONDS;
        }
        if (process_take_child())
            reap(injectors);
    }
    _exit(0);
}

/* An injector has no business with what sessions know, their keys among it; and each mapping costs
 * each fork. */
static void forget(struct template const *template)
{
    struct settings settings = *template->settings;
    struct queue_room room = *template->room;
    settings_free(&settings);
    queue_room_close(&room);
    session_table_unmap(template->table);
}

pid_t injectors_start(struct template const *template, int requests)
{
    static struct injectors injectors;
    pid_t const pid = process_fork("smtpd-injectors");
    if (pid)
        return pid;
    injectors.template = template;
    injectors.requests = requests;
    injectors.messages = template->count < 0 ? NULL : queue_count_map(template->count, true);
    injectors.table = mmap(NULL, sizeof *injectors.table, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (injectors.table == MAP_FAILED || pipe2(injectors.taken, O_CLOEXEC | O_NONBLOCK) != 0) {
        log_failure("template-failed", "start", errno);
        _exit(111);
    }
    int kept[] = {requests,           template->folder,   template->wake,
                  injectors.taken[0], injectors.taken[1], STDERR_FILENO};
    descriptors_keep(kept, sizeof kept / sizeof *kept);
    forget(template);
    privilege_drop(&template->injector, NULL);
    privilege_refuse_root();
    queue_file_learn(template->folder);
    fence_injector(true, template->folder);
    run(&injectors);
}
