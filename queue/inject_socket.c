#include "queue/inject_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <skalibs/types.h>

#include "lib/log.h"
#include "queue/inject_path.h"

#define BACKLOG          1024
#define LISTEN_FDS_START 3 /* sd_listen_fds(3) */
#define EXIT_TEMPORARY   111

static bool has_option(int descriptor, int option, int wanted)
{
    int value;
    socklen_t length = sizeof value;
    return getsockopt(descriptor, SOL_SOCKET, option, &value, &length) == 0 && value == wanted;
}

static bool is_ours(int descriptor)
{
    return has_option(descriptor, SO_DOMAIN, AF_UNIX) &&
           has_option(descriptor, SO_TYPE, SOCK_SEQPACKET);
}

_Noreturn static void die(char const *path, int number)
{
    struct log_line line;
    log_begin(&line, "not-bound");
    log_text(&line, "socket", path);
    log_errno(&line, number);
    log_write(&line);
    _exit(EXIT_TEMPORARY);
}

/* Removes a socket at which nobody listens any more. Another server is left its own. */
static bool remove_stale(struct sockaddr_un const *address)
{
    struct stat status;
    int const probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0)
        return false;
    bool const refused = connect(probe, (struct sockaddr const *)address, sizeof *address) != 0 &&
                         errno == ECONNREFUSED;
    close(probe);
    /* ECONNREFUSED is also what a file of another kind says: only sockets are removed. */
    if (refused && lstat(address->sun_path, &status) == 0 && S_ISSOCK(status.st_mode))
        return unlink(address->sun_path) == 0;
    errno = EADDRINUSE;
    return false;
}

static bool bind_address(int listener, struct sockaddr_un const *address)
{
    struct sockaddr const *const plain = (struct sockaddr const *)address;
    return bind(listener, plain, sizeof *address) == 0 ||
           (errno == EADDRINUSE && remove_stale(address) &&
            bind(listener, plain, sizeof *address) == 0);
}

int inject_socket_bind(char const *path)
{
    struct sockaddr_un address;
    int folder;
    if (!inject_path_address(&address, path, &folder))
        return -1;
    int const listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    mode_t const before = umask(0111); /* every user may connect: SO_PEERCRED says who did */
    bool const bound =
        listener >= 0 && bind_address(listener, &address) && listen(listener, BACKLOG) == 0;
    int const number = errno;
    umask(before);
    if (folder >= 0)
        close(folder);
    if (!bound && listener >= 0)
        close(listener);
    errno = number;
    return bound ? listener : -1;
}

/* What systemd passed, when it was meant for this process. -1: nothing. */
static int passed(void)
{
    char const *const pid_text = getenv("LISTEN_PID");
    char const *const count_text = getenv("LISTEN_FDS");
    unsigned int pid, count;
    if (!pid_text || !count_text || !uint0_scan(pid_text, &pid) ||
        !uint0_scan(count_text, &count) || pid != (unsigned int)getpid() || count != 1)
        return -1;
    return LISTEN_FDS_START;
}

bool inject_socket_find(struct inject_socket *found, char const *path)
{
    int const descriptor = path ? inject_socket_bind(path) : passed();
    if (path && descriptor < 0)
        die(path, errno);
    found->descriptor = descriptor >= 0 ? descriptor : 0;
    if (!is_ours(found->descriptor))
        return false;
    found->connected = !has_option(found->descriptor, SO_ACCEPTCONN, 1);
    /* Not blocking, in case somebody else accepts from it too. A connection waits, with deadlines.
     */
    int const flags = fcntl(found->descriptor, F_GETFL);
    int const wanted = found->connected ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
    if (flags < 0 || fcntl(found->descriptor, F_SETFL, wanted) != 0 ||
        fcntl(found->descriptor, F_SETFD, FD_CLOEXEC) != 0)
        die(path ? path : "descriptor", errno);
    return true;
}
