/* A peer of the injector that is no session of ours: a program of this machine's users, at the
 * other end of a unix socket. The kernel says whose it is; nothing that it says itself counts. */
#ifndef EKIDEN_INJECT_PEER_H
#define EKIDEN_INJECT_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/control.h"
#include "queue/inject_limits.h"
#include "queue/queue_room.h"

#define INJECT_IDLE_SECONDS    300  /* for each packet, and for each answer to be read */
#define INJECT_MESSAGE_SECONDS 3600 /* from a message's first packet to its last */

struct inject_settings {
    uint64_t databytes;  /* of a message, without our Received; 0: any */
    uint64_t messages;   /* injectmessages: an hour and user, 0: any; default 10000 */
    uint64_t recipients; /* injectrecipients: the same; default 100000 */
    struct queue_limits room;
};

struct inject_peer {
    uid_t uid;
    bool unlimited; /* root and our own users: no budget */
    bool lists;     /* may see the queue: root, and who serves */
    struct queue_room room;
    struct inject_account *account; /* 0: none is kept (one connection a process) */
    struct inject_settings settings;
    int queue; /* the queue's folder, to list it; -1: not for this peer */
};

/* Reads the settings. On CONTROL_ERROR *settings is untouched. */
enum control_result inject_settings_load(struct inject_settings *settings,
                                         struct control const *control,
                                         struct control_error *error);

/* Who is at the other end of SOCKET, by SO_PEERCRED. False: errno. */
bool inject_peer_uid(int socket, uid_t *uid);

/* The deadlines of a socket. False: errno. */
bool inject_peer_deadlines(int socket);

#endif
