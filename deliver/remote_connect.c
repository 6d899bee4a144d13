#include "deliver/remote_connect.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <skalibs/iopause.h>

static bool fail(struct failure *failure, char const *code, char const *peer, char const *what)
{
    char text[JOB_TEXT_MAX + 1];
    snprintf(text, sizeof text, "%s %s: %s", code, peer, what);
    failure_set(failure, JOB_DEFERRED, text);
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
    return fail(failure, "4.3.5", peer, text);
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

/* A connection whose two ends have one address never left this host. */
static bool is_own(int descriptor, struct remote_ourselves const *ourselves)
{
    ip46 here, there;
    uint16_t port;
    if (!ourselves || socket_local46(descriptor, &here, &port) < 0 ||
        socket_remote46(descriptor, &there, &port) < 0)
        return false;
    return memcmp(here.ip, there.ip, ip46_is6(&here) ? 16 : 4) == 0 &&
           !remote_ourselves_except(ourselves, &there);
}

static bool connect_socket(int descriptor, ip46 const *ip, uint16_t port, char const *peer,
                           struct remote_ourselves const *ourselves, tain const *deadline,
                           struct failure *failure)
{
    int const on = 1;
    int number = 0;
    if (socket_connect46(descriptor, ip, port) < 0)
        number = errno;
    if ((number == EINPROGRESS || number == EINTR) && await(descriptor, deadline, &number))
        number = 0;
    if (number)
        return fail(failure, "4.4.1", peer, strerror(number));
    if (is_own(descriptor, ourselves))
        return fail(failure, "4.4.6", peer, "is this host, which does not take the mail");
    /* Commands are small, and each waits for its answer. */
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return true;
}

int remote_connect(ip46 const *ip, uint16_t port, char const *peer,
                   struct remote_settings const *settings, struct remote_ourselves const *ourselves,
                   tain const *deadline, struct failure *failure)
{
    int const descriptor = socket_tcp46_nbcoe(ip46_is6(ip));
    if (descriptor < 0) {
        fail(failure, "4.4.1", peer, strerror(errno));
        return -1;
    }
    if (set_source(descriptor, ip46_is6(ip), settings, peer, failure) &&
        connect_socket(descriptor, ip, port, peer, ourselves, deadline, failure))
        return descriptor;
    close(descriptor);
    return -1;
}
