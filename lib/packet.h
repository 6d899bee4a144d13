/* Packets with descriptors over SOCK_SEQPACKET sockets: a boundary is kept by the kernel, so many
 * writers can share one socket and a reader never puts pieces together.
 * (skalibs' unixmessage is a stream with its own framing: right for two partners, wrong for the
 * request socket that all dialogues inherit.) */
#ifndef EKIDEN_PACKET_H
#define EKIDEN_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#define PACKET_DATA_MAX (64u << 10) /* bytes of payload that both sides agree on */
#define PACKET_FDS_MAX  4

/* A connected pair, blocking, close-on-exec. False: errno. */
bool packet_pair(int ends[2]);

/* Sends COUNT pieces and FD_COUNT descriptors (which stay open here) as one packet. Waits for room.
 * False: errno; EPIPE when the partner is gone. No signal is raised. */
bool packet_send(int socket, struct iovec const *pieces, unsigned int count, int const *fds,
                 unsigned int fd_count);

/* The same without a wait: EAGAIN where there is no room. For answers to a socket that came from
 * somebody who may have been taken over: it may be full, and never be read. */
bool packet_offer(int socket, struct iovec const *pieces, unsigned int count, int const *fds,
                  unsigned int fd_count);

/* True for an errno of a send that passes by itself. The kernel counts the descriptors that all
 * processes of a user have on their way (ETOOMANYREFS): those of many that ask at once have to be
 * read first. */
bool packet_is_crowded(int number);

/* A send, and the wait before it is tried again; false for a wait that is not to go on. */
struct packet_attempt {
    bool (*send)(void *context);
    bool (*pause)(void *context, int milliseconds);
    void *context;
};

/* Tries until it is not too crowded any more, for MILLISECONDS in all. False: errno. */
bool packet_insist(struct packet_attempt const *attempt, int64_t milliseconds);

/* Receives one packet into SIZE bytes at BUFFER. Returns its length, 0 at the end (the partner is
 * gone), -1 with errno (EMSGSIZE: it was longer than SIZE; EBADMSG: it was empty, or had more
 * descriptors than *fd_count). *fd_count holds the room in FDS before and the number after; the
 * descriptors are the caller's, close-on-exec. FD_COUNT may be 0: descriptors are then refused.
 * EINTR is passed on. */
ssize_t packet_receive(int socket, void *buffer, size_t size, int *fds, unsigned int *fd_count);

/* The same without a wait: -1 with EAGAIN when no packet is there. For sockets that several
 * processes read, where what poll saw may be gone. */
ssize_t packet_take(int socket, void *buffer, size_t size, int *fds, unsigned int *fd_count);

#endif
