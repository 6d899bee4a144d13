#include "tools/serve_ports.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/ip46.h>
#include <skalibs/socket.h>
#include <skalibs/types.h>

#include "lib/log.h"

#define DEFAULT_PORT            2525
#define BACKLOG                 1024
#define PORT_WAIT_MILLISECONDS  5000
#define PORT_PAUSE_MILLISECONDS 50
#define LISTEN_FDS_START        3 /* sd_listen_fds(3) */
#define EXIT_TEMPORARY          111
#define NAME_SIZE               16

/* What a port is called by who starts ekiden-serve, and its role by ekiden-smtpd. */
static struct {
    char option[NAME_SIZE], role[NAME_SIZE];
} const names[SERVE_ROLES] = {
    {"smtp", "mx"},
    {"submission", "submission"},
    {"submissions", "submissions"},
};

static bool parse_option(struct serve_ports *ports, char const *option, char const *value)
{
    for (int i = 0; i < SERVE_ROLES; i++)
        if (!strncmp(option, "--", 2) && !strcmp(option + 2, names[i].option)) {
            ports->of[i].asked = true;
            return ushort0_scan(value, &ports->of[i].port);
        }
    return false;
}

bool serve_ports_parse(struct serve_ports *ports, char const *const *words)
{
    *ports = (struct serve_ports){.of[SERVE_SMTP] = {.asked = true, .port = DEFAULT_PORT}};
    for (; words[0]; words += 2)
        if (!words[1] || !parse_option(ports, words[0], words[1]))
            return false;
    for (int i = 0; i < SERVE_ROLES; i++)
        ports->of[i].chosen = ports->of[i].asked && !ports->of[i].port;
    return true;
}

_Noreturn static void die_port(int role, uint16_t port, int number)
{
    char what[128];
    snprintf(what, sizeof what, "cannot listen on 127.0.0.1:%u; %s --%s PORT chooses another", port,
             number == EACCES ? "ports below 1024 are for root;" : "is the port taken?",
             names[role].option);
    log_failure("not-served", what, number);
    _exit(EXIT_TEMPORARY);
}

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

void serve_ports_bind(struct serve_ports *ports)
{
    ip46 ip;
    for (int i = 0; i < SERVE_ROLES; i++) {
        if (!ports->of[i].asked)
            continue;
        uint16_t const port = ports->of[i].port;
        int const listener = socket_tcp4_coe();
        if (listener < 0 || !bind_when_free(listener, port) ||
            socket_listen(listener, BACKLOG) != 0 ||
            socket_local46(listener, &ip, &ports->of[i].port) < 0)
            die_port(i, port, errno);
        ports->of[i].listener = listener;
    }
}

_Noreturn static void die(char const *what)
{
    log_failure("not-started", what, errno);
    _exit(EXIT_TEMPORARY);
}

/* A copy of DESCRIPTOR above all places that are filled below. */
static int move_up(int descriptor)
{
    int const copy = fcntl(descriptor, F_DUPFD_CLOEXEC, LISTEN_FDS_START + SERVE_ROLES + 1);
    if (copy < 0)
        die("fcntl");
    return copy;
}

static void place(int descriptor, int number)
{
    if (dup2(descriptor, number) < 0)
        die("dup2");
}

static void announce(unsigned int count, char const *roles)
{
    char number[UINT_FMT + 1], pid[PID_FMT + 1];
    number[uint_fmt(number, count)] = 0;
    pid[pid_fmt(pid, getpid())] = 0;
    if (setenv("LISTEN_FDS", number, 1) != 0 || setenv("LISTEN_PID", pid, 1) != 0 ||
        setenv("LISTEN_FDNAMES", roles, 1) != 0)
        die("setenv");
}

int serve_ports_pass(struct serve_ports const *ports, int ready)
{
    int copies[SERVE_ROLES];
    char roles[SERVE_ROLES * NAME_SIZE] = "";
    size_t length = 0;
    unsigned int count = 0;
    ready = move_up(ready);
    for (int i = 0; i < SERVE_ROLES; i++)
        if (ports->of[i].asked) {
            copies[count++] = move_up(ports->of[i].listener);
            length += (size_t)snprintf(roles + length, sizeof roles - length, "%s%s",
                                       count > 1 ? ":" : "", names[i].role);
        }
    for (unsigned int i = 0; i < count; i++)
        place(copies[i], LISTEN_FDS_START + (int)i);
    place(ready, LISTEN_FDS_START + (int)count);
    announce(count, roles);
    return LISTEN_FDS_START + (int)count;
}

void serve_ports_print(struct serve_ports const *ports)
{
    char line[sizeof "ready\n" + SERVE_ROLES * (2 + NAME_SIZE + USHORT_FMT)] = "ready";
    size_t length = strlen(line);
    for (int i = 0; i < SERVE_ROLES; i++)
        if (ports->of[i].chosen)
            length += (size_t)snprintf(line + length, sizeof line - length, " %s=%u",
                                       names[i].option, (unsigned int)ports->of[i].port);
    line[length++] = '\n';
    if (write(1, line, length) != (ssize_t)length)
        log_failure("ready-not-told", "write", errno);
}
