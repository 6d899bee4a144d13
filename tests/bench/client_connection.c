#include "tests/bench/client_connection.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

double seconds_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool fail(struct connection *connection, char const *what)
{
    if (!connection->failure)
        connection->failure = what;
    return false;
}

static bool is_in_time(struct connection *connection)
{
    return seconds_now() < connection->deadline || fail(connection, "deadline");
}

bool connection_open(struct connection *connection, struct sockaddr_in const *server, double limit)
{
    struct timeval const wait = {.tv_sec = (time_t)limit + 1};
    int const yes = 1;
    connection->tls = NULL;
    connection->failure = NULL;
    connection->code = 0;
    connection->start = connection->end = 0;
    connection->deadline = seconds_now() + limit;
    connection->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->socket < 0 ||
        setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0 ||
        setsockopt(connection->socket, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) != 0 ||
        setsockopt(connection->socket, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) != 0)
        return fail(connection, "socket");
    if (connect(connection->socket, (struct sockaddr const *)server, sizeof *server) != 0)
        return fail(connection, errno == EINPROGRESS ? "deadline" : "connect");
    return connection_expect(connection, 220);
}

/* Reads more. What is there already moves to the front only when the end is reached. */
static bool fill(struct connection *connection)
{
    if (connection->start == connection->end)
        connection->start = connection->end = 0;
    if (connection->end == sizeof connection->input) {
        if (connection->start == 0)
            return fail(connection, "long-line");
        memmove(connection->input, connection->input + connection->start,
                connection->end - connection->start);
        connection->end -= connection->start;
        connection->start = 0;
    }
    char *const place = connection->input + connection->end;
    size_t const room = sizeof connection->input - connection->end;
    ssize_t const count = connection->tls ? SSL_read(connection->tls, place, (int)room)
                                          : recv(connection->socket, place, room, 0);
    if (count == 0)
        return fail(connection, "closed");
    if (count < 0)
        return fail(connection, errno == EAGAIN ? "deadline" : "read");
    connection->end += (size_t)count;
    return is_in_time(connection);
}

bool connection_expect(struct connection *connection, int code)
{
    for (;;) {
        char const *const line = connection->input + connection->start;
        size_t const length = connection->end - connection->start;
        char const *const end = memchr(line, '\n', length);
        if (!end) {
            if (!fill(connection))
                return false;
            continue;
        }
        connection->start += (size_t)(end + 1 - line);
        if (end - line < 4)
            return fail(connection, "short-line");
        if (line[3] == '-')
            continue;
        connection->code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + line[2] - '0';
        return connection->code == code || fail(connection, "refused");
    }
}

bool connection_send(struct connection *connection, void const *bytes, size_t length)
{
    char const *place = bytes;
    while (length > 0) {
        ssize_t const count = connection->tls ? SSL_write(connection->tls, place, (int)length)
                                              : send(connection->socket, place, length, 0);
        if (count <= 0)
            return fail(connection, errno == EAGAIN ? "deadline" : "write");
        place += count;
        length -= (size_t)count;
        if (!is_in_time(connection))
            return false;
    }
    return true;
}

bool connection_ask(struct connection *connection, char const *command, int code)
{
    return connection_send(connection, command, strlen(command)) &&
           connection_expect(connection, code);
}

bool connection_start_tls(struct connection *connection, SSL_CTX *context, SSL_SESSION *session)
{
    if (!connection_ask(connection, "STARTTLS\r\n", 220))
        return false;
    connection->tls = SSL_new(context);
    if (!connection->tls || SSL_set_fd(connection->tls, connection->socket) != 1 ||
        (session && SSL_set_session(connection->tls, session) != 1))
        return fail(connection, "openssl");
    return SSL_connect(connection->tls) == 1 || fail(connection, "handshake");
}

void connection_close(struct connection *connection)
{
    if (connection->tls) {
        /* Else OpenSSL takes the session for one that was cut off, and never offers it again. */
        SSL_set_shutdown(connection->tls, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(connection->tls);
    }
    if (connection->socket >= 0)
        close(connection->socket);
}
