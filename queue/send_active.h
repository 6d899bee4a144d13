/* The messages that are being tried now: a bounded number, found by id; in memory is only what is
 * being delivered. */
#ifndef EKIDEN_SEND_ACTIVE_H
#define EKIDEN_SEND_ACTIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/queue_file.h"
#include "queue/queue_layout.h"

#define SEND_ACTIVE_MAX     1000
#define SEND_ACTIVE_BUCKETS 1024 /* a power of two */

/* One try of one message. A recipient's mark in CONTENT is what this try knows: the file may be
 * behind by the recipients from DIRTY_FROM to DIRTY_TO. */
struct send_message {
    struct send_message *in_bucket, *in_waiting, *in_touched; /* links of send_active */
    bool is_touched;
    char id[QUEUE_ID_LENGTH + 1];
    int place;
    int descriptor; /* owned, read-only: agents share it */
    struct queue_message content;
    uint32_t next;                        /* the first recipient that was not looked at yet */
    uint32_t in_flight;                   /* recipients that an agent has */
    uint32_t delivered, deferred, failed; /* results of this try */
    uint32_t dirty_from, dirty_to;        /* equal: the file has all marks */
    bool left;                            /* the try was broken off: the file stays where it is */
    bool corrupt; /* an agent found that the message bytes do not fit their checksum */
};

/* True when this try has nothing more to do. */
bool send_message_is_over(struct send_message const *message);

/* Frees MESSAGE and closes its file. It must not be in send_active. */
void send_message_free(struct send_message *message);

struct send_active {
    struct send_message *buckets[SEND_ACTIVE_BUCKETS];
    unsigned int count;
    struct send_message *waiting, **waiting_end; /* messages with recipients to hand out */
    struct send_message *touched;                /* messages with news in this turn */
};
void send_active_start(struct send_active *active);

struct send_message *send_active_find(struct send_active const *active, char const *id);
void send_active_add(struct send_active *active, struct send_message *message);

/* Takes MESSAGE out. It must be in neither of the lists below. */
void send_active_remove(struct send_active *active, struct send_message *message);

/* The list of messages with recipients to hand out, first in first out; a message that gave one
 * away goes to the end, so that one with a million recipients does not hold up the others. */
void send_active_push_waiting(struct send_active *active, struct send_message *message);
struct send_message *send_active_pop_waiting(struct send_active *active);

/* The set of messages that got a result. */
void send_active_touch(struct send_active *active, struct send_message *message);
struct send_message *send_active_pop_touched(struct send_active *active);

/* Tells for each slot of the wheel whether a message from it is active. */
void send_active_slots(struct send_active const *active, bool busy[QUEUE_SLOTS]);

#endif
