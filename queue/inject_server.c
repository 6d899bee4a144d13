#include "queue/inject_server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/selfpipe.h>

#include "lib/clock.h"
#include "lib/control_watch.h"
#include "lib/log.h"
#include "lib/signals.h"
#include "queue/inject_fence.h"
#include "queue/inject_limits.h"
#include "queue/inject_peer.h"
#include "queue/injection.h"

#define EXIT_CONFIGURATION 100
#define EXIT_TEMPORARY     111
#define END_SECONDS        5   /* for sessions to end the message at hand */
#define PAUSE_MILLISECONDS 100 /* where no connection can be accepted: descriptors, memory */

struct listener {
    struct inject_server *server;
    struct inject_settings settings;
    struct inject_limits limits;
    struct control_watch watch;
    int signals;
    bool stop, hangup;
    struct {
        pid_t pid; /* 0: free */
        struct inject_account *account;
    } sessions[INJECT_CONNECTIONS];
};

static bool is_unlimited(struct inject_server const *server, uid_t uid)
{
    return uid == 0 || uid == server->own || (server->has_local && uid == server->local);
}

static void describe_peer(struct inject_server const *server, struct inject_peer *peer, uid_t uid)
{
    peer->uid = uid;
    peer->unlimited = is_unlimited(server, uid);
    peer->lists = uid == 0 || uid == server->own;
    peer->room = server->room;
    peer->queue = peer->lists ? server->queue : -1;
}

static int serve(struct inject_server const *server, int connection, struct inject_peer const *peer)
{
    inject_fence_session(peer->queue, server->folder);
    return injector_serve(connection, server->folder, server->wake, server->count, peer);
}

int inject_server_connection(struct inject_server *server)
{
    struct control_error error;
    struct inject_peer peer = {.account = NULL};
    uid_t uid;
    if (inject_settings_load(&peer.settings, &server->control, &error) == CONTROL_ERROR) {
        log_failure("configuration-refused", error.text, 0);
        return EXIT_CONFIGURATION;
    }
    if (!inject_peer_uid(server->listener, &uid) || !inject_peer_deadlines(server->listener)) {
        log_failure("connection-failed", "who is it?", errno);
        return EXIT_TEMPORARY;
    }
    queue_room_pause(&server->room, &peer.settings.room);
    describe_peer(server, &peer, uid);
    return serve(server, server->listener, &peer);
}

static void log_refused(uid_t uid)
{
    struct log_line line;
    log_begin(&line, "connection-refused");
    log_number(&line, "uid", uid);
    log_text(&line, "what", "too many connections");
    log_write(&line);
}

/* A word that fits into any socket's buffer: this does not wait. */
static void refuse(int connection, enum queue_status status)
{
    char bytes[2] = {INJECTION_STATUS, (char)status};
    struct iovec const piece = {.iov_base = bytes, .iov_len = sizeof bytes};
    packet_send(connection, &piece, 1, NULL, 0);
}

_Noreturn static void run_session(struct listener *listener, int connection,
                                  struct inject_peer const *peer, pid_t parent)
{
    sigset_t none;
    prctl(PR_SET_NAME, "queue-session", 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if (getppid() != parent)
        _exit(0);
    close(listener->server->listener);
    close(listener->watch.descriptor);
    close(listener->server->control.directory);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    selfpipe_finish();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    _exit(serve(listener->server, connection, peer));
}

static void start_session(struct listener *listener, int connection, struct inject_peer *peer)
{
    unsigned int i = 0;
    pid_t const parent = getpid();
    while (listener->sessions[i].pid) /* one is free: inject_limits_enter counted them */
        i++;
    pid_t const pid = fork();
    if (pid == 0)
        run_session(listener, connection, peer, parent);
    if (pid < 0) {
        log_failure("fork-failed", "session", errno);
        refuse(connection, QUEUE_NO_MEMORY);
        inject_limits_leave(&listener->limits, peer->account);
        return;
    }
    listener->sessions[i].pid = pid;
    listener->sessions[i].account = peer->account;
}

static void accept_connection(struct listener *listener)
{
    struct inject_peer peer;
    uid_t uid;
    int const connection = accept4(listener->server->listener, NULL, NULL, SOCK_CLOEXEC);
    if (connection < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
            (void)poll(NULL, 0, PAUSE_MILLISECONDS);
        return;
    }
    if (inject_peer_uid(connection, &uid) && inject_peer_deadlines(connection)) {
        describe_peer(listener->server, &peer, uid);
        peer.settings = listener->settings;
        peer.account = inject_limits_enter(&listener->limits, uid, peer.unlimited);
        if (peer.account) {
            start_session(listener, connection, &peer);
        } else {
            log_refused(uid);
            refuse(connection, QUEUE_BUSY);
        }
    }
    close(connection);
}

static void log_killed(pid_t pid, int signal)
{
    struct log_line line;
    log_begin(&line, "process-killed");
    log_number(&line, "pid", (uint64_t)pid);
    log_number(&line, "signal", (uint64_t)signal);
    log_write(&line);
}

/* Returns how many sessions are left. */
static unsigned int reap(struct listener *listener)
{
    int status;
    unsigned int left = 0;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (WIFSIGNALED(status) && WTERMSIG(status) != SIGTERM && WTERMSIG(status) != SIGKILL)
            log_killed(pid, WTERMSIG(status));
        for (unsigned int i = 0; i < INJECT_CONNECTIONS; i++)
            if (listener->sessions[i].pid == pid) {
                inject_limits_leave(&listener->limits, listener->sessions[i].account);
                listener->sessions[i].pid = 0;
            }
    }
    for (unsigned int i = 0; i < INJECT_CONNECTIONS; i++)
        left += listener->sessions[i].pid != 0;
    return left;
}

static void handle_signals(struct listener *listener)
{
    for (int number; (number = selfpipe_read()) > 0;)
        if (number == SIGTERM || number == SIGINT)
            listener->stop = true;
        else if (number == SIGHUP)
            listener->hangup = true;
    reap(listener);
}

/* With a malformed file everything stays as it is; sessions keep what they began with. */
static void reload(struct listener *listener)
{
    struct control_error error;
    struct inject_settings settings;
    struct log_line line;
    enum control_result const result =
        inject_settings_load(&settings, &listener->server->control, &error);
    if (!control_watch_is_settled(&listener->watch))
        return;
    if (result == CONTROL_ERROR) {
        log_failure("configuration-refused", error.text, 0);
        return;
    }
    listener->settings = settings;
    queue_room_pause(&listener->server->room, &settings.room);
    log_begin(&line, "configuration-loaded");
    log_write(&line);
}

static void wait_once(struct listener *listener, int milliseconds)
{
    struct pollfd polls[3] = {{.fd = listener->signals, .events = POLLIN},
                              {.fd = listener->watch.descriptor, .events = POLLIN},
                              {.fd = listener->server->listener, .events = POLLIN}};
    int const due = control_watch_wait(&listener->watch);
    if (poll(polls, 3, due >= 0 ? due : milliseconds) < 0)
        return;
    if (polls[0].revents)
        handle_signals(listener);
    bool const changed = control_watch_check(&listener->watch);
    if (changed || listener->hangup) {
        listener->hangup = false;
        reload(listener);
    }
    if (polls[2].revents && !listener->stop)
        accept_connection(listener);
}

static void signal_sessions(struct listener const *listener, int number)
{
    for (unsigned int i = 0; i < INJECT_CONNECTIONS; i++)
        if (listener->sessions[i].pid)
            kill(listener->sessions[i].pid, number);
}

/* A session between messages ends at SIGTERM, another one at the end of its message: what was
 * promised is kept. One that takes too long was promised nothing. */
static void end(struct listener *listener)
{
    time_t const deadline = clock_seconds() + END_SECONDS;
    close(listener->server->listener);
    listener->server->listener = -1;
    signal_sessions(listener, SIGTERM);
    while (reap(listener)) {
        struct pollfd polls = {.fd = listener->signals, .events = POLLIN};
        (void)poll(&polls, 1, 1000);
        handle_signals(listener);
        if (clock_seconds() >= deadline)
            signal_sessions(listener, SIGKILL);
    }
}

static bool prepare(struct listener *listener)
{
    struct control_error error;
    /* Watched first: a file that changes while it is loaded is loaded again. */
    if (!control_watch_start(&listener->watch, &listener->server->control))
        return false;
    if (inject_settings_load(&listener->settings, &listener->server->control, &error) ==
        CONTROL_ERROR) {
        log_failure("configuration-refused", error.text, 0);
        errno = 0;
        return false;
    }
    queue_room_pause(&listener->server->room, &listener->settings.room);
    listener->signals = signals_trap((int[]){SIGTERM, SIGINT, SIGHUP, SIGCHLD, 0});
    return listener->signals >= 0 && inject_limits_make(&listener->limits);
}

int inject_server_listen(struct inject_server *server)
{
    static struct listener listener;
    struct log_line line;
    listener.server = server;
    errno = 0;
    if (!prepare(&listener)) {
        log_failure("listener-failed", "start", errno);
        return errno ? EXIT_TEMPORARY : EXIT_CONFIGURATION;
    }
    inject_fence_listener(server->queue, server->folder, server->control.directory);
    log_begin(&line, "listening");
    log_write(&line);
    while (!listener.stop)
        wait_once(&listener, -1);
    end(&listener);
    return 0;
}
