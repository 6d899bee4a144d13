/* ekiden-serve: a complete server in one folder, for a demonstration, for tests, for containers.
 *
 * DIR/control (made with safe defaults where absent), DIR/queue, DIR/mail/USER/Maildir; DIR/inject
 * is the socket for ekiden-inject and sendmail. Starts ekiden-send, ekiden-smtpd and ekiden-queue,
 * starts again what dies, and ends them on SIGTERM. They end with it also when it is killed. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/ip46.h>
#include <skalibs/stralloc.h>
#include <skalibs/types.h>

#include "lib/log.h"
#include "queue/inject_socket.h"
#include "lib/program_path.h"
#include "tools/serve_folder.h"

#define USAGE                   "ekiden-serve DIR [ --smtp PORT ]"
#define DEFAULT_PORT            2525
#define BACKLOG                 1024
#define RESTART_SECONDS         1
#define PORT_WAIT_MILLISECONDS  5000
#define PORT_PAUSE_MILLISECONDS 50
#define READY_FD                3
#define EXIT_CONFIGURATION      100
#define EXIT_TEMPORARY          111

enum { SCHEDULER, SMTPD, INJECTOR, PROGRAMS };
static char const *const names[PROGRAMS] = {"ekiden-send", "ekiden-smtpd", "ekiden-queue"};

struct server {
    struct serve_folder folder;
    int listener, inject;
    pid_t pids[PROGRAMS];
};

_Noreturn static void die(int code, char const *what, int number)
{
    log_failure("not-served", what, number);
    _exit(code);
}

/* After SIGKILL the sessions of the server before may still hold its port while they end: that is
 * waited for. */
static bool bind_when_free(int listener, uint16_t port)
{
    struct timespec const pause = {.tv_nsec = PORT_PAUSE_MILLISECONDS * 1000000};
    for (int tries = PORT_WAIT_MILLISECONDS / PORT_PAUSE_MILLISECONDS; tries > 0; tries--) {
        if (socket_bind4_reuse(listener, IP4_LOCAL, port) == 0)
            return true;
        if (errno != EADDRINUSE)
            return false;
        nanosleep(&pause, NULL);
    }
    errno = EADDRINUSE;
    return false;
}

static int bind_port(uint16_t *port)
{
    ip46 ip;
    int const listener = socket_tcp4_coe();
    if (listener < 0 || !bind_when_free(listener, *port) || socket_listen(listener, BACKLOG) != 0 ||
        socket_local46(listener, &ip, port) < 0)
        die(EXIT_TEMPORARY,
            "cannot listen on 127.0.0.1; is the port taken? --smtp PORT chooses another", errno);
    return listener;
}

/* LISTENER becomes fd 0 first: it may have the number that READY is to have. */
static void place_descriptors(int listener, int ready)
{
    if (dup2(listener, 0) < 0)
        _exit(EXIT_TEMPORARY);
    if (ready == READY_FD ? fcntl(ready, F_SETFD, 0) != 0 : dup2(ready, READY_FD) < 0)
        _exit(EXIT_TEMPORARY);
}

/* Bound here and kept: while ekiden-queue is started anew, who submits waits and is not refused. */
static int bind_inject(struct server const *server)
{
    int const listener = inject_socket_bind(server->folder.inject.s);
    if (listener < 0)
        die(EXIT_TEMPORARY, server->folder.inject.s, errno);
    return listener;
}

_Noreturn static void run_program(struct server const *server, int which, int ready, pid_t parent)
{
    stralloc path = STRALLOC_ZERO;
    sigset_t none;
    if (!program_path(&path, names[which]))
        die(EXIT_TEMPORARY, "out of memory", errno);
    char const *const scheduler[] = {path.s,
                                     "-C",
                                     server->folder.control.s,
                                     "-Q",
                                     server->folder.queue.s,
                                     "-M",
                                     server->folder.mail.s,
                                     "-i",
                                     server->folder.inject.s,
                                     NULL};
    char const *const smtpd[] = {
        path.s, "-C", server->folder.control.s, "-Q", server->folder.queue.s, "-d", "3", NULL};
    char const *const injector[] = {
        path.s, "-C", server->folder.control.s, "-Q", server->folder.queue.s, NULL};
    char const *const *const lines[PROGRAMS] = {scheduler, smtpd, injector};
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if (getppid() != parent)
        _exit(0);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (which == SMTPD)
        place_descriptors(server->listener, ready);
    if (which == INJECTOR && dup2(server->inject, 0) < 0)
        _exit(EXIT_TEMPORARY);
    execv(path.s, (char **)lines[which]);
    die(EXIT_TEMPORARY, path.s, errno);
}

static void start(struct server *server, int which, int ready)
{
    pid_t const parent = getpid();
    pid_t const pid = fork();
    if (pid == 0)
        run_program(server, which, ready, parent);
    if (pid < 0)
        log_failure("not-started", names[which], errno);
    server->pids[which] = pid > 0 ? pid : 0;
}

/* Starts smtpd and waits until it says that it serves. False when it ended instead. */
static bool start_smtpd(struct server *server)
{
    int ready[2];
    char byte;
    if (pipe2(ready, O_CLOEXEC) != 0)
        die(EXIT_TEMPORARY, "pipe", errno);
    start(server, SMTPD, ready[1]);
    close(ready[1]);
    ssize_t got;
    do
        got = read(ready[0], &byte, 1);
    while (got < 0 && errno == EINTR);
    close(ready[0]);
    return got == 1;
}

static void log_end(int which, int status)
{
    struct log_line line;
    log_begin(&line, "program-ended");
    log_text(&line, "program", names[which]);
    log_number(&line, WIFSIGNALED(status) ? "signal" : "code",
               (uint64_t)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)));
    log_write(&line);
}

static void reap(struct server *server)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (int i = 0; i < PROGRAMS; i++)
            if (server->pids[i] == pid) {
                log_end(i, status);
                server->pids[i] = 0;
            }
}

/* Until SIGTERM or SIGINT: whatever ended is started again, at most once a second. */
static void supervise(struct server *server, sigset_t const *signals)
{
    struct timespec const pause = {.tv_sec = RESTART_SECONDS};
    for (;;) {
        bool const missing =
            !server->pids[SCHEDULER] || !server->pids[SMTPD] || !server->pids[INJECTOR];
        int const signal = sigtimedwait(signals, NULL, missing ? &pause : NULL);
        if (signal == SIGTERM || signal == SIGINT)
            return;
        reap(server);
        if (signal > 0)
            continue;
        if (!server->pids[SCHEDULER])
            start(server, SCHEDULER, -1);
        if (!server->pids[SMTPD])
            start_smtpd(server);
        if (!server->pids[INJECTOR])
            start(server, INJECTOR, -1);
    }
}

/* First who takes mail, then who delivers it. */
static void end(struct server *server)
{
    for (int i = PROGRAMS; i-- > 0;)
        if (server->pids[i]) {
            kill(server->pids[i], SIGTERM);
            while (waitpid(server->pids[i], NULL, 0) < 0 && errno == EINTR)
                ;
        }
}

static void print_ready(uint16_t port, bool chosen)
{
    char line[32 + USHORT_FMT] = "ready";
    size_t length = 5;
    if (chosen) {
        memcpy(line + length, " smtp=", 6);
        length += 6;
        length += ushort_fmt(line + length, port);
    }
    line[length++] = '\n';
    if (write(1, line, length) != (ssize_t)length)
        log_failure("ready-not-told", "write", errno);
}

int main(int argc, char const *const *argv)
{
    static struct server server;
    uint16_t port = DEFAULT_PORT;
    sigset_t signals;
    log_start("ekiden-serve");
    char const *const root = argc > 1 ? argv[1] : "";
    if (!*root || *root == '-' || (argc != 2 && argc != 4) ||
        (argc == 4 && (strcmp(argv[2], "--smtp") || !ushort0_scan(argv[3], &port))))
        die(EXIT_CONFIGURATION, USAGE, 0);
    bool const chosen = port == 0;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    umask(022);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    serve_folder_make(&server.folder, root);
    server.listener = bind_port(&port);
    server.inject = bind_inject(&server);
    start(&server, SCHEDULER, -1);
    if (!start_smtpd(&server)) {
        end(&server);
        return EXIT_CONFIGURATION;
    }
    start(&server, INJECTOR,
          -1); /* its socket listens already; the queue's folders are there now */
    print_ready(port, chosen);
    supervise(&server, &signals);
    end(&server);
    return 0;
}
