/* Messages that stay in their folders because what they wait for is slow, and more of them wait for
 * it already than can be of use: their names, in order, so that each can be taken when it is time.
 *
 * Nothing in the queue says so: a message here lies in new/ or in its slot as if it had not been
 * looked at. The memory is bounded. Of the places that are free a queue may take as many as it has,
 * so one slow destination leaves half of them. Where nothing is free any more, the longest queue
 * gives up what is more than its share (an equal one for each, and one for the next) to who has
 * less. What finds no place, or has lost it, stays in its folder without a name here, and is found
 * by looking through the folders once more (`more`). */
#ifndef EKIDEN_SEND_BACKLOG_H
#define EKIDEN_SEND_BACKLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/queue_file.h"

#define SEND_BACKLOG_MAX     32768 /* 32 octets each */
#define SEND_BACKLOG_BUCKETS 8192  /* a power of two */
#define SEND_BACKLOG_LOW     4096  /* names of a queue, below which more are looked for */
#define SEND_BACKLOG_SHARE   8     /* one in so many is a deferred one, when there are new ones */

struct send_line;

struct send_backlog_list {
    uint32_t first, last; /* numbers of entries; 0: none */
};

/* What waits for one thing: a destination, or the local agents. */
struct send_backlog_queue {
    struct send_line *line; /* of a destination; NULL: it is none's */
    struct send_backlog_list fresh, deferred;
    unsigned int count, turn;
    bool more; /* something stayed in its folder without a name here */
    bool listed;
    struct send_backlog_queue *next, **back; /* links of send_backlog */
};

struct send_backlog_entry {
    uint32_t next, in_bucket; /* numbers; 0: none */
    int16_t place;            /* where its file lies */
    char id[QUEUE_ID_LENGTH]; /* without a NUL */
};

struct send_backlog {
    unsigned int *in_slot; /* not owned: how many messages of each slot are here or active */
    bool *again; /* not owned: set for the slots of messages that have lost their places here */
    struct send_backlog_queue *first, **end; /* the queues that have something, or `more` */
    unsigned int listed;                     /* queues in the list */
    unsigned int count;
    uint32_t used, free; /* entries that were ever used; the first free one of these, 0: none */
    uint32_t buckets[SEND_BACKLOG_BUCKETS];
    struct send_backlog_entry entries[SEND_BACKLOG_MAX + 1]; /* [0] is none */
};

/* BACKLOG is all zero. */
void send_backlog_start(struct send_backlog *backlog, unsigned int *in_slot, bool *again);

/* Puts the message ID, which lies in PLACE, at the end of QUEUE. False when there is no room for
 * it: then QUEUE has `more`. */
bool send_backlog_add(struct send_backlog *backlog, struct send_backlog_queue *queue, int place,
                      char const *id);

/* Takes the next of QUEUE: new ones before deferred ones, but for one in SEND_BACKLOG_SHARE. False:
 * none. */
bool send_backlog_take(struct send_backlog *backlog, struct send_backlog_queue *queue, int *place,
                       char id[QUEUE_ID_LENGTH + 1]);

/* True when the message ID is here; *place says where its file was. */
bool send_backlog_has(struct send_backlog const *backlog, char const *id, int *place);
/* Forgets it: it lies somewhere else now. */
void send_backlog_drop(struct send_backlog *backlog, char const *id);

/* Moves all of FROM to the end of INTO. */
void send_backlog_join(struct send_backlog *backlog, struct send_backlog_queue *into,
                       struct send_backlog_queue *from);

/* The queues that have something, from the first to UNTIL, go behind the others: so all have their
 * turn. */
void send_backlog_rotate(struct send_backlog *backlog, struct send_backlog_queue *until);

/* Is it time to look through the folders for more of QUEUE? Not before it has little, and less than
 * half its share: where many queues share the places, each has little all the time, and the look,
 * at every message that stayed, would bring nothing. */
bool send_backlog_wants(struct send_backlog const *backlog, struct send_backlog_queue const *queue);

/* The folders are looked through once more: nobody has `more`, until it turns out so again. */
void send_backlog_clear_more(struct send_backlog *backlog);

#endif
