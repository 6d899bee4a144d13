#include "deliver/remote_connect.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <skalibs/iopause.h>

static bool fail(struct failure *failure, enum job_result result, char const *code,
                 char const *peer, char const *what)
{
    char text[JOB_TEXT_MAX + 1];
    snprintf(text, sizeof text, "%s %s: %s", code, peer, what);
    failure_set(failure, result, text);
    return false;
}

/* Binds to the address that the operator chose; the port is chosen when the other end is known, so
 * that many connections can share one. */
static bool bind_source(int descriptor, ip46 const *source)
{
    int const on = 1;
    setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    return socket_bind46(descriptor, source, 0) == 0;
}

static bool set_source(int descriptor, bool is6, struct remote_settings const *settings,
                       char const *peer, struct failure *failure)
{
    char text[IP46_FMT + 128];
    ip46 const *const source = is6 ? &settings->outgoing6 : &settings->outgoing4;
    if (!(is6 ? settings->has_outgoing6 : settings->has_outgoing4) ||
        bind_source(descriptor, source))
        return true;
    int const number = errno;
    size_t const length = ip46_fmt(text, source);
    snprintf(text + length, sizeof text - length, " (outgoingip) cannot be used: %s",
             strerror(number));
    return fail(failure, JOB_DEFERRED, "4.3.5", peer, text);
}

static bool await(int descriptor, tain const *deadline, int *number)
{
    iopause_fd waiting = {.fd = descriptor, .events = IOPAUSE_WRITE | IOPAUSE_EXCEPT};
    socklen_t size = sizeof *number;
    int events;
    do
        events = iopause_g(&waiting, 1, deadline);
    while (events < 0 && errno == EINTR);
    if (events == 0)
        *number = ETIMEDOUT;
    else if (events < 0 || getsockopt(descriptor, SOL_SOCKET, SO_ERROR, number, &size) < 0)
        *number = errno;
    return *number == 0;
}

/* True when the kernel would reach IP from IP itself: such a connection never leaves this host,
 * whatever the interfaces are called. Asked of a datagram socket, which sends nothing for it and is
 * not bound to `outgoingip`; the connection's own ends would not tell then. */
static bool is_own(ip46 const *ip, uint16_t port, struct remote_ourselves const *ourselves)
{
    ip46 source;
    uint16_t source_port;
    int const probe = socket_udp46_nbcoe(ip46_is6(ip));
    if (probe < 0)
        return false; /* no descriptor: there is none for the connection either */
    bool const own = socket_connect46(probe, ip, port) == 0 &&
                     socket_local46(probe, &source, &source_port) == 0 &&
                     memcmp(source.ip, ip->ip, ip46_is6(ip) ? 16 : 4) == 0;
    close(probe);
    return own && !remote_ourselves_except(ourselves, ip);
}

static bool connect_socket(int descriptor, ip46 const *ip, uint16_t port, char const *peer,
                           tain const *deadline, struct failure *failure)
{
    int const on = 1;
    int number = 0;
    if (socket_connect46(descriptor, ip, port) < 0)
        number = errno;
    if ((number == EINPROGRESS || number == EINTR) && await(descriptor, deadline, &number))
        number = 0;
    if (number)
        return fail(failure, JOB_UNREACHABLE, "4.4.1", peer, strerror(number));
    /* Commands are small, and each waits for its answer. */
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return true;
}

int remote_connect(ip46 const *ip, uint16_t port, char const *peer,
                   struct remote_settings const *settings, struct remote_ourselves const *ourselves,
                   tain const *deadline, struct failure *failure)
{
    if (ourselves && is_own(ip, port, ourselves)) {
        fail(failure, JOB_DEFERRED, "4.4.6", peer, "is this host, which does not take the mail");
        return -1;
    }
    int const descriptor = socket_tcp46_nbcoe(ip46_is6(ip));
    if (descriptor < 0) {
        fail(failure, JOB_DEFERRED, "4.4.1", peer, strerror(errno));
        return -1;
    }
    if (set_source(descriptor, ip46_is6(ip), settings, peer, failure) &&
        connect_socket(descriptor, ip, port, peer, deadline, failure))
        return descriptor;
    close(descriptor);
    return -1;
}

int remote_connect_socket(char const *path, struct failure *failure)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int const descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) {
        fail(failure, JOB_DEFERRED, "4.4.1", path, strerror(errno));
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(descriptor, (struct sockaddr const *)&address, sizeof address) == 0)
        return descriptor;
    fail(failure, JOB_UNREACHABLE, "4.4.1", path,
         errno == EACCES ? "the user of remote deliveries (conf-users) may not write to this socket"
         : errno == EAGAIN ? "too many connections wait there already"
                           : strerror(errno));
    close(descriptor);
    return -1;
}
