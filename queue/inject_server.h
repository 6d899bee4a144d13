/* Takes messages from the programs of this machine's users: one process a connection.
 *
 * The caller has dropped to the injector's user; nothing here has privilege. */
#ifndef EKIDEN_INJECT_SERVER_H
#define EKIDEN_INJECT_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/control.h"
#include "queue/queue_room.h"

struct inject_server {
    int listener;              /* SOCK_SEQPACKET; of one connection: the connection */
    int queue, folder, wake;   /* the queue, its new/, the FIFO (or -1) */
    struct queue_count *count; /* NULL: not there */
    struct queue_room room;
    struct control control;
    uid_t own;      /* who runs this: the injector's user */
    bool has_local; /* whether LOCAL is known: who delivers to virtual users */
    uid_t local;
};

/* Listens until SIGTERM or SIGINT, then lets sessions end their message, for some seconds. The
 * settings are read anew when a control file changes, and on SIGHUP. Returns the exit code. */
int inject_server_listen(struct inject_server *server);

/* Serves the one connection. */
int inject_server_connection(struct inject_server *server);

#endif
