/* The socket `control` in the queue folder: what operators ask for (queue/queue_control.h), served
 * between two turns of the scheduler's loop. Nothing here waits: who does not read his answers is
 * asked for nothing more, and who comes when all places are taken has the place of the one who has
 * been silent longest. */
#ifndef EKIDEN_SEND_CONTROL_H
#define EKIDEN_SEND_CONTROL_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "queue/queue_control.h"

#define SEND_CONTROL_CLIENTS 8
#define SEND_CONTROL_POLLED  (1 + SEND_CONTROL_CLIENTS)

struct send;

struct send_control_client {
    int socket; /* -1: a free place */
    uid_t who;
    uint64_t last;         /* turn in which it last said something */
    size_t waiting_length; /* of an answer that its socket had no room for; 0: none */
    char waiting[QUEUE_CONTROL_PACKET_MAX];
};

struct send_control {
    int listener; /* -1: none could be made */
    uid_t own;    /* whom this process runs as */
    uint64_t turn;
    struct send_control_client clients[SEND_CONTROL_CLIENTS];
};

/* Makes the socket in QUEUE, in place of one that a scheduler before this has left. The caller
 * holds the queue's lock and has dropped its privilege. Where it cannot be made that is logged, and
 * mail goes on without it. */
void send_control_start(struct send_control *control, int queue);

/* Fills in SEND_CONTROL_POLLED entries. */
void send_control_poll(struct send_control const *control, struct pollfd *polled);

/* Takes connections, and does a bounded number of operations. POLLED is as above, after poll. */
void send_control_serve(struct send *send, struct pollfd const *polled);

#endif
