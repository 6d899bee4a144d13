/* Whether the queue takes another message: control files `minfree`, `maxqueue`, and `paused` with
 * the word `intake`.
 *
 * Who asks needs no way into the queue: a descriptor of one of its files tells of the file system
 * (fstatfs, one system call), a map of queue/queue_count.h of the messages. What is asked is of
 * this moment, so nothing has to be told when there is room again.
 *
 * The change from one to the other is logged once, however many ask: in memory that they share.
 * So that it does not come with every message while the queue is about full, there has to be a
 * sixteenth more than is asked for before there is room again. */
#ifndef EKIDEN_QUEUE_ROOM_H
#define EKIDEN_QUEUE_ROOM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/control.h"
#include "queue/queue_count.h"

#define QUEUE_MINFREE (UINT64_C(8) << 20) /* default of minfree, bytes */
/* A file system may run out of inodes first. So many bytes of minfree ask for one; ext4 has one for
 * 16 KiB, and a message needs one for itself, one for its notes, and one in a mailbox. */
#define QUEUE_BYTES_AN_INODE (UINT64_C(64) << 10)

struct queue_limits {
    uint64_t minfree;  /* bytes that have to be free; 0: any */
    uint64_t maxqueue; /* messages; 0: any */
    bool paused;       /* the operator wants no new mail for now */
};

/* Reads the three files. On CONTROL_ERROR *limits is untouched. */
enum control_result queue_limits_load(struct queue_limits *limits, struct control const *control,
                                      struct control_error *error);

enum queue_lack {
    QUEUE_LACKS_NOTHING,
    QUEUE_IS_PAUSED,   /* not logged here */
    QUEUE_LACKS_BYTES, /* less than minfree are free */
    QUEUE_LACKS_INODES,
    QUEUE_LACKS_PLACES,  /* maxqueue messages are there */
    QUEUE_LACKS_FOR_THIS /* there is room, but not for a message of this size; not logged here */
};

/* What all who ask share. */
struct queue_room_shared {
    _Atomic int lack;    /* enum queue_lack as logged last */
    _Atomic bool paused; /* as read last: it holds for sessions that are older, too */
};

struct queue_room {
    int descriptor; /* of a file of the queue that only tells where it is; -1: none */
    struct queue_count const *count;  /* NULL: not known, and then maxqueue does not hold */
    struct queue_room_shared *shared; /* NULL: there is no memory */
};

/* Opens what is needed below the folder QUEUE; its memory is shared with all later children. Where
 * something is missing there is always room: the writing will tell. */
void queue_room_open(struct queue_room *room, int queue);

/* Closes what queue_room_open has opened; others who share it keep it. */
void queue_room_close(struct queue_room *room);

/* LIMITS were read anew: a pause, or its end, counts at once for everybody who shares ROOM. */
void queue_room_pause(struct queue_room const *room, struct queue_limits const *limits);

/* May no message come now, whatever room there is? */
bool queue_room_is_paused(struct queue_room const *room, struct queue_limits const *limits);

/* Is there room for a message of SIZE bytes (0: not known)? Logs a change. */
enum queue_lack queue_room_look(struct queue_room const *room, struct queue_limits const *limits,
                                uint64_t size);

#endif
