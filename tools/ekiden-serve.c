/* ekiden-serve: a complete server in one folder, for a demonstration, for tests, for containers.
 *
 * DIR/control (made with safe defaults where absent), DIR/queue, DIR/mail/USER/Maildir; DIR/inject
 * is the socket for ekiden-inject and sendmail. Starts ekiden-send, ekiden-smtpd and ekiden-queue,
 * starts again what dies, and ends them on SIGTERM. They end with it also when it is killed. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/stralloc.h>
#include <skalibs/types.h>

#include "lib/log.h"
#include "lib/program_path.h"
#include "queue/inject_socket.h"
#include "tools/serve_folder.h"
#include "tools/serve_ports.h"

#define USAGE              "ekiden-serve DIR [ --smtp PORT ] [ --submission PORT ] [ --submissions PORT ]"
#define RESTART_SECONDS    1
#define EXIT_CONFIGURATION 100
#define EXIT_TEMPORARY     111

enum { SCHEDULER, SMTPD, INJECTOR, PROGRAMS };
static char const *const names[PROGRAMS] = {"ekiden-send", "ekiden-smtpd", "ekiden-queue"};

struct server {
    struct serve_folder folder;
    struct serve_ports ports;
    int inject;
    pid_t pids[PROGRAMS];
};

_Noreturn static void die(int code, char const *what, int number)
{
    log_failure("not-served", what, number);
    _exit(code);
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
    char ready_number[INT_FMT + 1] = "";
    char const *const smtpd[] = {path.s,
                                 "-C",
                                 server->folder.control.s,
                                 "-Q",
                                 server->folder.queue.s,
                                 "-A",
                                 server->folder.state.s,
                                 "-J",
                                 server->folder.judge.s,
                                 "-d",
                                 ready_number,
                                 NULL};
    char const *const injector[] = {
        path.s, "-C", server->folder.control.s, "-Q", server->folder.queue.s, NULL};
    char const *const *const lines[PROGRAMS] = {scheduler, smtpd, injector};
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if (getppid() != parent)
        _exit(0);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (which == SMTPD)
        ready_number[int_fmt(ready_number, serve_ports_pass(&server->ports, ready))] = 0;
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

int main(int argc, char const *const *argv)
{
    static struct server server;
    sigset_t signals;
    log_start("ekiden-serve");
    char const *const root = argc > 1 ? argv[1] : "";
    if (!*root || *root == '-' || !serve_ports_parse(&server.ports, argv + 2))
        die(EXIT_CONFIGURATION, USAGE, 0);

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    umask(022);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    serve_folder_make(&server.folder, root);
    serve_ports_bind(&server.ports);
    server.inject = bind_inject(&server);
    start(&server, SCHEDULER, -1);
    if (!start_smtpd(&server)) {
        end(&server);
        return EXIT_CONFIGURATION;
    }
    start(&server, INJECTOR,
          -1); /* its socket listens already; the queue's folders are there now */
    serve_ports_print(&server.ports);
    supervise(&server, &signals);
    end(&server);
    return 0;
}
