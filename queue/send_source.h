/* Where the next message to try comes from: the wake FIFO, then new/ (at the start, every five
 * minutes, after the FIFO was nearly full), then the slots of the wheel that are due. New mail goes
 * before deferred mail, but one step in SEND_SOURCE_SHARE looks at the wheel first, so that a
 * steady stream of new mail does not stop it; and at new/ second, so that a FIFO that never gets
 * empty (who may write to it may write anything) does not stop that. */
#ifndef EKIDEN_SEND_SOURCE_H
#define EKIDEN_SEND_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/send_folder.h"
#include "queue/send_wake.h"
#include "queue/send_wheel.h"

#define SEND_SOURCE_SHARE  8
#define SEND_SOURCE_RESCAN 300 /* seconds between two looks through new/ */
#define SEND_SOURCE_SOON   30  /* seconds to the next look after an error */
#define SEND_SOURCE_REFILL 5   /* seconds between two looks for what was too much before */

struct send_backlog_queue;

struct send_source {
    int queue; /* not owned */
    struct send_wake wake;
    struct send_wheel wheel;
    struct send_odd odd;
    struct send_folder fresh;    /* new/, while it is read */
    struct send_folder deferred; /* a slot, while it is read */
    enum send_slot deferred_as;  /* what the slot was when its reading began */
    bool rescan;                 /* new/ is to be read once more, from its start */
    uint64_t look_at;            /* seconds of the monotonic clock: the next look at what stayed */
    uint64_t looked_at;          /* the last one */
    unsigned int turn;           /* counts the steps, for SEND_SOURCE_SHARE */
};

/* A message to try. */
struct send_candidate {
    int place;
    char id[QUEUE_ID_LENGTH + 1];
    bool sweep; /* from a slot that is not due: only when it was not tried in this sweep */
    struct send_backlog_queue const *from; /* it was drawn from there; NULL: from a folder */
};

enum send_source_result {
    SEND_SOURCE_FOUND, /* *candidate is the next */
    SEND_SOURCE_MORE,  /* nothing yet, but there is more to read: ask again */
    SEND_SOURCE_EMPTY  /* nothing until the FIFO or a time wakes us */
};

/* Opens FIFO and cursor of QUEUE. NOW in seconds since 1970, CLOCK in seconds of the monotonic
 * clock. False after logging. */
bool send_source_start(struct send_source *source, int queue, uint64_t now, uint64_t clock);

/* Finds the next message, in a bounded number of steps. */
enum send_source_result send_source_next(struct send_source *source,
                                         struct send_candidate *candidate);

/* Notes what time has made due. True when the folders are looked through once more. */
bool send_source_tick(struct send_source *source, uint64_t now, uint64_t clock);

/* Something failed that a later try may cure: look at what stayed behind soon. */
void send_source_soon(struct send_source *source, uint64_t clock);

/* The same, as soon as the last look was SEND_SOURCE_REFILL seconds ago: there may be more of what
 * was left behind because it was too much. */
void send_source_refill(struct send_source *source, uint64_t clock);

/* Everything is to be tried now. */
void send_source_all(struct send_source *source);

/* A pause has ended: what waited for that is tried now. */
void send_source_resume(struct send_source *source, uint64_t clock);

/* The message at PLACE was not settled and stays there. */
void send_source_keep(struct send_source *source, int place);

#endif
