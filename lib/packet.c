#include "lib/packet.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAUSE_MILLISECONDS 10

bool packet_pair(int ends[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0;
}

static bool send_packet(int socket, int flags, struct iovec const *pieces, unsigned int count,
                        int const *fds, unsigned int fd_count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(PACKET_FDS_MAX * sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = count};
    if (fd_count > PACKET_FDS_MAX) {
        errno = EINVAL;
        return false;
    }
    if (fd_count) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, fd_count * sizeof(int));
    }
    ssize_t sent;
    do
        sent = sendmsg(socket, &message, MSG_NOSIGNAL | flags);
    while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

bool packet_send(int socket, struct iovec const *pieces, unsigned int count, int const *fds,
                 unsigned int fd_count)
{
    return send_packet(socket, 0, pieces, count, fds, fd_count);
}

bool packet_offer(int socket, struct iovec const *pieces, unsigned int count, int const *fds,
                  unsigned int fd_count)
{
    return send_packet(socket, MSG_DONTWAIT, pieces, count, fds, fd_count);
}

bool packet_is_crowded(int number)
{
    return number == ETOOMANYREFS || number == ENOBUFS || number == ENOMEM;
}

bool packet_insist(struct packet_attempt const *attempt, int64_t milliseconds)
{
    for (int64_t waited = 0; !attempt->send(attempt->context); waited += PAUSE_MILLISECONDS) {
        int const number = errno;
        bool const again = packet_is_crowded(number) && waited < milliseconds &&
                           attempt->pause(attempt->context, PAUSE_MILLISECONDS);
        errno = number;
        if (!again)
            return false;
    }
    return true;
}

/* Takes the descriptors out of MESSAGE. All are closed when there are more than *fd_count. */
static bool take_descriptors(struct msghdr *message, int *fds, unsigned int *fd_count)
{
    unsigned int const room = fd_count ? *fd_count : 0;
    unsigned int taken = 0;
    bool fits = !(message->msg_flags & MSG_CTRUNC);
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        size_t const count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
            if (taken < room) {
                fds[taken++] = descriptor;
            } else {
                close(descriptor);
                fits = false;
            }
        }
    }
    if (!fits)
        while (taken)
            close(fds[--taken]);
    if (fd_count)
        *fd_count = taken;
    return fits;
}

static void close_all(int const *fds, unsigned int *fd_count)
{
    while (fd_count && *fd_count)
        close(fds[--*fd_count]);
}

/* An empty packet looks like the end, and anybody who shares the partner's socket can send one. */
static bool is_over(int socket)
{
    struct pollfd polled = {.fd = socket, .events = POLLRDHUP};
    return poll(&polled, 1, 0) != 0;
}

static ssize_t receive(int socket, int flags, void *buffer, size_t size, int *fds,
                       unsigned int *fd_count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(PACKET_FDS_MAX * sizeof(int))];
    } control;
    struct iovec piece = {.iov_base = buffer, .iov_len = size};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t const received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags);
    if (received < 0)
        return errno == ECONNRESET ? 0 : -1;
    if (!take_descriptors(&message, fds, fd_count)) {
        errno = EBADMSG;
        return -1;
    }
    if (received > 0 && !(message.msg_flags & MSG_TRUNC))
        return received;
    close_all(fds, fd_count);
    if (received == 0 && is_over(socket))
        return 0;
    errno = received ? EMSGSIZE : EBADMSG;
    return -1;
}

ssize_t packet_receive(int socket, void *buffer, size_t size, int *fds, unsigned int *fd_count)
{
    return receive(socket, 0, buffer, size, fds, fd_count);
}

ssize_t packet_take(int socket, void *buffer, size_t size, int *fds, unsigned int *fd_count)
{
    return receive(socket, MSG_DONTWAIT, buffer, size, fds, fd_count);
}
