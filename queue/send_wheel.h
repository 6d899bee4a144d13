/* The wheel of deferred mail: which of its slots are to be read now.
 *
 * Time is counted in ticks of QUEUE_SLOT_SECONDS since 1970; a tick's files lie in the slot
 * tick mod QUEUE_SLOTS, and become due when the tick begins. Only slots that are due are read, so
 * a start with 100,000 deferred messages costs no more than one with ten.
 *
 * wheel/cursor holds the time up to which slots were taken. It is written without a sync, and never
 * ahead of a message whose try has not ended: after a crash some slots are read twice. Without a
 * believable cursor all slots are read once. */
#ifndef EKIDEN_SEND_WHEEL_H
#define EKIDEN_SEND_WHEEL_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "queue/queue_layout.h"

/* The longest deferral in seconds: a file must not come round to a slot that is still being read.
 */
#define SEND_WHEEL_LONGEST ((uint64_t)(QUEUE_SLOTS - 2) * QUEUE_SLOT_SECONDS)

enum send_slot {
    SEND_SLOT_QUIET,
    SEND_SLOT_SWEEP, /* to be read for files that were not tried since the sweep began */
    SEND_SLOT_DUE    /* to be read for all its files */
};

struct send_wheel {
    uint64_t taken; /* the first tick that is not due yet */
    struct timespec sweep_began;
    enum send_slot slots[QUEUE_SLOTS];
    bool parked[QUEUE_SLOTS]; /* something waits there for the end of a pause */
    bool again[QUEUE_SLOTS]; /* something stayed behind there: look again at send_wheel_again_all */
    unsigned int waiting;    /* number of slots that are not quiet */
    int cursor;              /* descriptor of wheel/cursor, -1 without */
    uint64_t cursor_tick;    /* what was written to it */
};

/* Starts at NOW (seconds since 1970). CURSOR is what wheel/cursor said, 0 when it could not be
 * read. */
void send_wheel_start(struct send_wheel *wheel, uint64_t now, uint64_t cursor);

/* Marks the slots that have become due since. A clock that was set back by more than a tick, or
 * forward by more than the ring, makes a sweep over all slots: no message is frozen until the old
 * time comes again. */
void send_wheel_advance(struct send_wheel *wheel, uint64_t now);

/* Seconds from NOW until the next slot is due, at most QUEUE_SLOT_SECONDS. */
uint64_t send_wheel_wait(struct send_wheel const *wheel, uint64_t now);

/* All slots are to be read: everything is tried once more. */
void send_wheel_sweep(struct send_wheel *wheel);

/* The slot to read next, oldest first; -1: none. It stays the answer until send_wheel_read. */
int send_wheel_next(struct send_wheel const *wheel);
/* SLOT was read to its end, as what it was (AS) when the reading began. Had it become due in the
 * meantime it stays so. */
void send_wheel_read(struct send_wheel *wheel, int slot, enum send_slot as);

/* True when a file whose last change (st_ctime) was at CHANGED was tried in this sweep already: a
 * deferral during the sweep may have moved it ahead of the reader. For a slot read as
 * SEND_SLOT_SWEEP. */
bool send_wheel_is_tried(struct send_wheel const *wheel, struct timespec const *changed);

/* The slot for a message that is due DELAY seconds from NOW. */
int send_wheel_slot(struct send_wheel const *wheel, uint64_t now, uint64_t delay);

/* A message of SLOT could not be dealt with and stayed there. */
void send_wheel_keep(struct send_wheel *wheel, int slot);
/* Makes the slots that were kept due again. */
void send_wheel_again_all(struct send_wheel *wheel);

/* The slot for what is to wait for the end of a pause: one that was just taken, and so comes round
 * as late as possible, but at once after a start (by the cursor). */
int send_wheel_parking(struct send_wheel const *wheel);
/* Something in SLOT waits for that. */
void send_wheel_park(struct send_wheel *wheel, int slot);
/* A pause has ended: these slots are due. */
void send_wheel_unpark_all(struct send_wheel *wheel);

/* Reads wheel/cursor below QUEUE and keeps it open for writing. Returns its time, 0 when there is
 * none. Without a file it is made; when that fails, it is done without. */
uint64_t send_wheel_open(struct send_wheel *wheel, int queue);

/* Writes the cursor when it moved. BUSY tells for each slot how many messages of it are being
 * tried. */
void send_wheel_save(struct send_wheel *wheel, unsigned int const busy[QUEUE_SLOTS]);

#endif
