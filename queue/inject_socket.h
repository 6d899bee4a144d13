/* The socket of local submission, as the injector finds or makes it. */
#ifndef EKIDEN_INJECT_SOCKET_H
#define EKIDEN_INJECT_SOCKET_H

#include <stdbool.h>

struct inject_socket {
    int descriptor;
    bool connected; /* a connection (systemd's Accept=yes), not a listening socket */
};

/* Binds PATH with mode 0666 and listens, after removing a socket at which nobody listens any more.
 * -1: errno. */
int inject_socket_bind(char const *path);

/* Finds the socket: PATH, when it is not 0, is bound with mode 0666; else LISTEN_FDS, else
 * descriptor 0, when that is one of SOCK_SEQPACKET. False: there is none, messages come by
 * qmail-queue's interface. Dies with exit 111 after logging when PATH cannot be bound. */
bool inject_socket_find(struct inject_socket *found, char const *path);

#endif
