#include "smtpd/template.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/descriptors.h"
#include "lib/log.h"
#include "lib/packet.h"
#include "lib/process.h"
#include "smtpd/client.h"
#include "smtpd/fence.h"

/* One waiting dialogue is not enough: the next client would wait for a fork. */
#define SPARES                  4
#define FORK_AGAIN_MILLISECONDS 100

/* The dialogue template's own state. */
struct dialogues {
    struct template const *template;
    struct children children; /* numbered by their slot */
    int taken[2];             /* a pipe: a dialogue that got its client writes a byte */
};

static void tell_taken(struct dialogues const *dialogues)
{
    /* The pipe is full only when the template has enough to read already. */
    if (write(dialogues->taken[1], "", 1) < 0 && errno != EAGAIN)
        log_failure("template-not-told", "write", errno);
}

/* Waits for a client. Each dialogue has an epoll of its own, with EPOLLEXCLUSIVE, so that a
 * connection wakes one of them and SIGTERM still gets through without a race, which a blocking
 * accept could not. */
static void accept_client(struct dialogues const *dialogues, struct connection *connection)
{
    struct template const *const template = dialogues->template;
    int const poll = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < template->listener_count; i++) {
        int const descriptor = template->listeners[i].descriptor;
        struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.u64 = i};
        if (poll < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event) != 0) {
            log_failure("accept-failed", "epoll", errno);
            _exit(111);
        }
    }
    for (;;) {
        struct epoll_event event;
        int const ready = epoll_pwait(poll, &event, 1, -1, process_waiting_for_client());
        if (ready <= 0 && (*process_stop() || process_take_hangup()))
            _exit(0);
        if (ready <= 0)
            continue;
        struct listening const *const listener = template->listeners + event.data.u64;
        int const client = accept4(listener->descriptor, NULL, NULL, SOCK_CLOEXEC);
        if (client >= 0) {
            close(poll);
            connection->input = connection->output = client;
            connection->has_role = listener->has_role;
            connection->role = listener->role;
            return;
        }
    }
}

static void prepare_socket(int client)
{
    int const on = 1;
    /* Replies are collected and written at once; Nagle would only hold them back. Fails on sockets
     * that are not TCP, where it does not matter. */
    (void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* A dialogue, from its fork to its end. */
_Noreturn static void serve(struct dialogues const *dialogues, int slot, pid_t parent)
{
    struct template const *const template = dialogues->template;
    struct settings const *const settings = template->settings;
    struct connection connection = {.settings = settings,
                                    .room = template->room,
                                    .injector_requests = template->injector_requests,
                                    .helper_requests = template->helper_requests,
                                    .tls_requests = template->tls_requests,
                                    .stop = process_stop(),
                                    .waiting = process_waiting_for_stop()};
    process_end_with(parent);
    fence_no_fork();
    accept_client(dialogues, &connection);
    client_identify(&connection, false);
    client_choose_role(&connection, &settings->role_ports);
    connection.refusal =
        session_table_enter(template->table, slot, &connection.remote, connection.has_remote,
                            settings->concurrencyincoming, settings->concurrencyperip);
    tell_taken(dialogues);
    for (size_t i = 0; i < template->listener_count; i++)
        close(template->listeners[i].descriptor);
    close(dialogues->taken[0]);
    close(dialogues->taken[1]);
    prepare_socket(connection.input);
    int const exit_code = dialogue_run(&connection);
    session_table_leave(template->table, slot);
    _exit(exit_code);
}

/* Forks one more dialogue. False: not now. */
static bool fork_dialogue(struct dialogues *dialogues)
{
    pid_t const parent = getpid();
    if (!children_reserve(&dialogues->children))
        return false;
    int const slot = session_table_claim(dialogues->template->table);
    if (slot < 0)
        return false;
    pid_t const pid = process_fork("smtpd-dialogue");
    if (pid == 0)
        serve(dialogues, slot, parent);
    if (pid < 0) {
        session_table_release(dialogues->template->table, slot);
        return false;
    }
    children_add(&dialogues->children, pid, slot);
    return true;
}

static void reap_dialogues(struct dialogues *dialogues)
{
    struct child ended;
    int status;
    while (children_reap(&dialogues->children, &ended, &status))
        if (ended.number >= 0)
            session_table_release(dialogues->template->table, ended.number);
}

/* How many wait in accept: by their slots and not by a counter, which a dialogue that is killed at
 * the wrong moment would leave wrong for good. */
static size_t count_waiting(struct dialogues const *dialogues)
{
    size_t waiting = 0;
    for (size_t i = 0; i < dialogues->children.count; i++)
        waiting += session_table_is_waiting(dialogues->template->table,
                                            dialogues->children.entries[i].number);
    return waiting;
}

/* SIGHUP ends those that wait for a client, SIGTERM the others too, each at its next command. */
static void drain(int descriptor)
{
    char bytes[256];
    while (read(descriptor, bytes, sizeof bytes) == (ssize_t)sizeof bytes)
        ;
}

_Noreturn static void run_dialogues(struct dialogues *dialogues)
{
    bool retired = false, stopped = false, busy = false;
    for (;;) {
        bool forked = true;
        for (size_t i = count_waiting(dialogues); !retired && forked && i < SPARES; i++)
            forked = fork_dialogue(dialogues);
        if (retired && !dialogues->children.count)
            _exit(0);
        struct pollfd taken = {.fd = dialogues->taken[0], .events = POLLIN};
        struct timespec const again = {.tv_nsec = FORK_AGAIN_MILLISECONDS * 1000000};
        bool const reaps = busy;
        busy = process_wait_for_requests(&taken, 1, forked ? NULL : &again, busy) && forked;
        if (taken.revents)
            drain(dialogues->taken[0]);
        if (process_take_child() || reaps)
            reap_dialogues(dialogues);
        if (process_take_hangup() && !retired) {
            retired = true;
            children_signal(&dialogues->children, SIGHUP);
        }
        if (*process_stop() && !stopped) {
            retired = stopped = true;
            children_signal(&dialogues->children, SIGTERM);
        }
    }
}

static void keep_descriptors(struct dialogues const *dialogues)
{
    struct template const *const template = dialogues->template;
    int kept[7 + template->listener_count];
    size_t count = 0;
    for (; count < template->listener_count; count++)
        kept[count] = template->listeners[count].descriptor;
    kept[count++] = template->room->descriptor;
    kept[count++] = template->injector_requests;
    kept[count++] = template->helper_requests;
    kept[count++] = template->tls_requests;
    kept[count++] = dialogues->taken[0];
    kept[count++] = dialogues->taken[1];
    kept[count++] = STDERR_FILENO;
    descriptors_keep(kept, count);
}

pid_t template_start_dialogues(struct template const *template)
{
    struct dialogues dialogues = {.template = template}; /* where each fork copies a page anyway */
    pid_t const parent = getpid();
    pid_t const pid = process_fork("smtpd-template");
    if (pid)
        return pid;
    if (pipe2(dialogues.taken, O_CLOEXEC | O_NONBLOCK) != 0 || fchdir(template->empty) != 0) {
        log_failure("template-failed", "start", errno);
        _exit(111);
    }
    keep_descriptors(&dialogues);
    privilege_drop(&template->dialogue, ".");
    privilege_refuse_root();
    fence_dialogue(true);
    process_end_with(parent);
    run_dialogues(&dialogues);
}
