#include "smtpd/client.h"

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <skalibs/types.h>

#include "lib/ip.h"
#include "lib/log.h"

typedef int name_func(int, struct sockaddr *restrict, socklen_t *restrict);

static void set_address(ip46 *ip, char const *bytes, bool is6)
{
    if (is6)
        ip_from_bytes(ip, bytes);
    else
        ip46_from_ip4(ip, bytes);
}

/* The address that NAME (getpeername, getsockname) tells. False when it is none of the internet. */
static bool from_socket(int descriptor, name_func *name, ip46 *ip, uint16_t *port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_storage storage;
    } address;
    socklen_t length = sizeof address;
    if (name(descriptor, &address.any, &length) != 0)
        return false;
    switch (address.any.sa_family) {
    case AF_INET:
        set_address(ip, (char const *)&address.in.sin_addr, false);
        *port = ntohs(address.in.sin_port);
        return true;
    case AF_INET6:
        set_address(ip, (char const *)&address.in6.sin6_addr, true);
        *port = ntohs(address.in6.sin6_port);
        return true;
    default:
        return false;
    }
}

bool client_address(char const *text, ip46 *ip)
{
    char plain[INET6_ADDRSTRLEN];
    ip46 scanned;
    size_t const length = text ? strcspn(text, "%") : 0;
    if (!length || length >= sizeof plain)
        return false;
    memcpy(plain, text, length);
    plain[length] = 0;
    /* Not ip46_scan, to which 383.0.0.1 is 127.0.0.1. */
    if (!ip_scan(&scanned, plain) || (text[length] && !ip46_is6(&scanned)))
        return false;
    *ip = scanned;
    return true;
}

static bool from_text(char const *text, char const *port_text, ip46 *ip, uint16_t *port)
{
    if (!client_address(text, ip))
        return false;
    if (!port_text || !ushort0_scan(port_text, port))
        *port = 0;
    return true;
}

static void take_relayclient(struct connection *connection)
{
    char const *const suffix = getenv("RELAYCLIENT");
    if (!suffix || !getenv("TCPREMOTEIP"))
        return;
    size_t const length = strlen(suffix);
    if (length >= sizeof connection->relay_suffix) {
        log_failure("relayclient-ignored", "RELAYCLIENT is longer than 255 bytes", 0);
        return;
    }
    connection->relayclient = true;
    memcpy(connection->relay_suffix, suffix, length + 1);
}

void client_identify(struct connection *connection, bool environment)
{
    ip46_from_ip4(&connection->remote, IP4_LOCAL);
    ip46_from_ip4(&connection->local, IP4_LOCAL);
    connection->has_remote =
        from_socket(connection->input, getpeername, &connection->remote, &connection->remote_port);
    if (connection->has_remote)
        from_socket(connection->input, getsockname, &connection->local, &connection->local_port);
    if (!environment)
        return;
    if (!connection->has_remote) {
        connection->has_remote = from_text(getenv("TCPREMOTEIP"), getenv("TCPREMOTEPORT"),
                                           &connection->remote, &connection->remote_port) ||
                                 from_text(getenv("REMOTE_ADDR"), getenv("REMOTE_PORT"),
                                           &connection->remote, &connection->remote_port);
        from_text(getenv("TCPLOCALIP"), getenv("TCPLOCALPORT"), &connection->local,
                  &connection->local_port);
        if (!connection->has_remote && (getenv("TCPREMOTEIP") || getenv("REMOTE_ADDR")))
            log_failure("client-unknown",
                        "neither TCPREMOTEIP nor REMOTE_ADDR is an address: nothing that is by "
                        "address is asked about this client",
                        0);
    }
    take_relayclient(connection);
}

void client_choose_role(struct connection *connection, struct role_ports const *ports)
{
    if (!connection->has_role)
        connection->role = role_of_port(ports, connection->local_port);
    if (connection->role != ROLE_MX)
        connection->relayclient = false;
}

/* The descriptor that the environment names; what is started from here does not inherit it. */
static bool take_descriptor(char const *name, int *descriptor)
{
    char const *const text = getenv(name);
    unsigned int number;
    if (!text || !uint0_scan(text, &number) || number < 3 || number > INT_MAX)
        return false;
    *descriptor = (int)number;
    return fcntl(*descriptor, F_SETFD, FD_CLOEXEC) == 0;
}

void client_take_tls(struct connection *connection)
{
    struct ucspi_tls *const tls = &connection->ucspi_tls;
    tls->offered = take_descriptor("SSLCTLFD", &tls->control) &&
                   take_descriptor("SSLREADFD", &tls->input) &&
                   take_descriptor("SSLWRITEFD", &tls->output);
    if (tls->offered)
        return;
    connection->tls_version = getenv("SSL_PROTOCOL");
    connection->tls_suite = getenv("SSL_CIPHER");
    if (getenv("SSLCTLFD"))
        log_failure("tls-not-taken",
                    "SSLCTLFD, SSLREADFD and SSLWRITEFD must name open descriptors", 0);
}
