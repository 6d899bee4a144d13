/* ekiden-smtpd: takes mail by SMTP.
 *
 * What fd 0 is decides: a connection is served; a listening socket (or LISTEN_FDS, or -l) is
 * listened on. doc/design.md, section 2, has the processes. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <skalibs/ip46.h>
#include <skalibs/sgetopt.h>
#include <skalibs/types.h>

#include "configured.h"
#include "lib/descriptors.h"
#include "lib/ip.h"
#include "lib/log.h"
#include "lib/program_path.h"
#include "smtpd/client.h"
#include "smtpd/keeper.h"

#define USAGE                                                                                      \
    "ekiden-smtpd [ -t ] [ -C control ] [ -Q queue ] [ -A state ] [ -J judge-state ] "             \
    "[ -d ready-fd ] [ -i idle-seconds ] [ -R role ] [ -l [role@]address:port ]..."
#define LISTENERS_MAX      16
#define LISTEN_FDS_START   3 /* sd_listen_fds(3) */
#define BACKLOG            1024
#define EXIT_CONFIGURATION 100
#define EXIT_TEMPORARY     111

struct arguments {
    struct keeper_paths paths;
    unsigned int idle_seconds;
    unsigned int ready; /* 0: nobody wants to know */
    bool test;
    char const *addresses[LISTENERS_MAX]; /* to bind: -l */
    size_t address_count;
    bool has_role; /* -R: of what says no role itself */
    enum role role;
    struct listening listeners[LISTENERS_MAX];
    size_t count;
};

_Noreturn static void die_usage(char const *what)
{
    log_failure("usage", what, 0);
    _exit(EXIT_CONFIGURATION);
}

/* Binds "127.0.0.1:25", "[::1]:25" or ":25" (all addresses). */
static int bind_address(char const *text)
{
    char ip_text[IP46_FMT + 3];
    ip46 ip;
    uint16_t port;
    char const *const colon = strrchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : 0;
    if (!colon || length >= sizeof ip_text || !ushort0_scan(colon + 1, &port))
        die_usage("-l expects an address and a port, like 127.0.0.1:25 or [::1]:25");
    bool const brackets = length > 1 && text[0] == '[' && text[length - 1] == ']';
    memcpy(ip_text, text + brackets, length - 2 * brackets);
    ip_text[length - 2 * brackets] = 0;
    if (!length)
        ip46_from_ip6(&ip, IP6_ANY);
    else if (!ip_scan(&ip, ip_text))
        die_usage("-l expects an address in numbers before its last colon");
    int const listener = socket_tcp46_nbcoe(ip46_is6(&ip));
    /* skalibs makes its sockets for IPv6 alone; without an address IPv4 is meant too. */
    int const ipv6_only = 0;
    if (!length && listener >= 0)
        (void)setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &ipv6_only, sizeof ipv6_only);
    if (listener < 0 || socket_bind46_reuse(listener, &ip, port) != 0 ||
        socket_listen(listener, BACKLOG) != 0) {
        struct log_line line;
        log_begin(&line, "not-bound");
        log_text(&line, "address", text);
        log_errno(&line, errno);
        log_write(&line);
        _exit(EXIT_TEMPORARY);
    }
    return listener;
}

static void parse_arguments(struct arguments *arguments, int argc, char const *const *argv)
{
    subgetopt options = SUBGETOPT_ZERO;
    for (int option; (option = subgetopt_r(argc, argv, "tC:Q:A:J:R:d:i:l:", &options)) >= 0;)
        switch (option) {
        case 't':
            arguments->test = true;
            break;
        case 'C':
            arguments->paths.control = options.arg;
            break;
        case 'Q':
            arguments->paths.queue = options.arg;
            break;
        case 'A':
            arguments->paths.state = options.arg;
            break;
        case 'J':
            arguments->paths.judge = options.arg;
            break;
        case 'R':
            arguments->has_role = role_parse(&arguments->role, options.arg, strlen(options.arg));
            if (!arguments->has_role)
                die_usage("-R expects mx, submission or submissions");
            break;
        case 'd':
            /* Nothing of our own is open yet that could have the number by chance. */
            if (!uint0_scan(options.arg, &arguments->ready) || arguments->ready < 3 ||
                arguments->ready > INT_MAX || fcntl((int)arguments->ready, F_GETFD) < 0)
                die_usage("-d expects an open descriptor above 2, as in s6's notification-fd");
            break;
        case 'i':
            if (!uint0_scan(options.arg, &arguments->idle_seconds))
                die_usage("-i expects a number of seconds");
            break;
        case 'l':
            if (arguments->address_count == LISTENERS_MAX)
                die_usage("-l can be given 16 times at most");
            arguments->addresses[arguments->address_count++] = options.arg;
            break;
        default:
            die_usage(USAGE);
        }
    if (options.ind < argc)
        die_usage(USAGE);
}

static bool is_listening(int descriptor)
{
    int listening = 0;
    socklen_t length = sizeof listening;
    return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 && listening;
}

/* ROLE may be 0, or a text that is no role: a socket unit's name, for example. */
static void add_listener(struct arguments *arguments, int descriptor, char const *role,
                         size_t length)
{
    struct listening listener = {.descriptor = descriptor};
    int const flags = fcntl(descriptor, F_GETFL);
    if (arguments->count == LISTENERS_MAX)
        die_usage("more than 16 listening sockets");
    /* Several processes wait on it: an accept after another one was faster must not block. */
    if (flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(descriptor, F_SETFD, FD_CLOEXEC) != 0) {
        log_failure("listener-failed", "fcntl", errno);
        _exit(EXIT_TEMPORARY);
    }
    listener.has_role = role && role_parse(&listener.role, role, length);
    if (!listener.has_role) {
        listener.has_role = arguments->has_role;
        listener.role = arguments->role;
    }
    arguments->listeners[arguments->count++] = listener;
}

/* -l: a role and an `@` may stand before the address. */
static void add_address(struct arguments *arguments, char const *text)
{
    enum role role;
    char const *const sign = strchr(text, '@');
    size_t const length = sign ? (size_t)(sign - text) : 0;
    if (sign && !role_parse(&role, text, length))
        die_usage("-l expects mx, submission or submissions before its @");
    add_listener(arguments, bind_address(sign ? sign + 1 : text), sign ? text : NULL, length);
}

/* What systemd passed, when it was meant for this process (sd_listen_fds). Returns a connection
 * that it passed instead of a listener (Accept=yes without StandardInput=socket), or -1. */
static int take_passed_sockets(struct arguments *arguments)
{
    char const *const pid_text = getenv("LISTEN_PID");
    char const *const count_text = getenv("LISTEN_FDS");
    char const *name = getenv("LISTEN_FDNAMES");
    unsigned int pid, count;
    if (!pid_text || !count_text || !uint0_scan(pid_text, &pid) ||
        !uint0_scan(count_text, &count) || pid != (unsigned int)getpid())
        return -1;
    for (unsigned int i = 0; i < count; i++) { /* add_listener knows how many may be listened on */
        int const descriptor = LISTEN_FDS_START + (int)i;
        size_t const length = name ? strcspn(name, ":") : 0;
        if (!is_listening(descriptor)) {
            arguments->has_role |= name && role_parse(&arguments->role, name, length);
            return descriptor;
        }
        add_listener(arguments, descriptor, name, length);
        name = name && name[length] ? name + length + 1 : NULL;
    }
    return -1;
}

static void require_standard_descriptors(void)
{
    descriptors_hide_log();
    if (!descriptors_standard())
        _exit(EXIT_TEMPORARY);
}

/* Whatever any program would refuse is found by one that knows them all. It goes where the log
 * goes.
 */
static int test_configuration(struct arguments const *arguments)
{
    stralloc path = STRALLOC_ZERO;
    char *const line[] = {"ekiden-check", "-t", "-C", (char *)arguments->paths.control, NULL};
    if (dup2(STDERR_FILENO, STDOUT_FILENO) == STDOUT_FILENO && program_path(&path, line[0]))
        execv(path.s, line);
    log_failure("configuration-not-tested", line[0], errno);
    return EXIT_TEMPORARY;
}

int main(int argc, char const *const *argv)
{
    static struct keeper keeper;
    struct arguments arguments = {.paths = {.control = CONFIGURED_CONTROL,
                                            .queue = CONFIGURED_QUEUE,
                                            .state = CONFIGURED_STATE,
                                            .judge = CONFIGURED_JUDGE}};
    require_standard_descriptors();
    log_start("ekiden-smtpd");
    parse_arguments(&arguments, argc, argv);
    if (arguments.test)
        return test_configuration(&arguments);
    for (size_t i = 0; i < arguments.address_count; i++)
        add_address(&arguments, arguments.addresses[i]);

    int client = -1;
    if (!arguments.count)
        client = take_passed_sockets(&arguments);
    if (!arguments.count && client < 0) {
        client = 0;
        if (is_listening(0)) {
            add_listener(&arguments, 0, NULL, 0);
            client = -1;
        }
    }
    if (client < 0) {
        keeper_open(&keeper, &arguments.paths, NULL);
        return keeper_listen(&keeper, arguments.listeners, arguments.count,
                             &(struct keeper_options){.idle_seconds = arguments.idle_seconds,
                                                      .ready = (int)arguments.ready});
    }
    struct connection connection = {.input = client,
                                    .output = client == 0 ? 1 : client,
                                    .has_role = arguments.has_role,
                                    .role = arguments.role};
    client_identify(&connection, true);
    client_take_tls(&connection);
    keeper_open(&keeper, &arguments.paths, &connection);
    return keeper_serve_one(&keeper, &connection);
}
