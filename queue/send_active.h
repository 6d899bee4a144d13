/* The messages that are being tried now: a bounded number, found by id; in memory is only what is
 * being delivered.
 *
 * A message is worked through in two lanes that never wait for each other: one hands its recipients
 * here to the local agents, the other its recipients elsewhere to the remote agent. In a lane it
 * stands in one of these lists, or in none when it has nothing more to hand out there:
 *   waiting   to be looked at
 *   blocked   all places of the lane were taken, or there was no memory
 * or (remote) it is parked: it stands in line at its destinations (queue/send_waiting.h);
 * and in `reports` when it waits for ekiden-bounce. */
#ifndef EKIDEN_SEND_ACTIVE_H
#define EKIDEN_SEND_ACTIVE_H

#include <stdbool.h>
#include <stdint.h>

#include <skalibs/stralloc.h>

#include "queue/queue_control.h"
#include "queue/queue_file.h"
#include "queue/queue_layout.h"
#include "queue/report_job.h"
#include "queue/send_backlog.h"
#include "queue/send_window.h"

#define SEND_ACTIVE_MAX     3000 /* each has a descriptor */
#define SEND_ACTIVE_BUCKETS 4096 /* a power of two */

enum send_lane { SEND_LANE_LOCAL, SEND_LANE_REMOTE, SEND_LANES };

/* Is the sender to be told of a delay? Decided when the first recipient of a try is put off. */
enum send_warning { SEND_WARNING_UNKNOWN, SEND_WARNING_DUE, SEND_WARNING_NONE };

/* A recipient that is settled once his note is on the disk. */
struct send_noted {
    uint32_t index;
    enum envelope_mark mark;
};

/* One try of one message. A recipient's mark in CONTENT is what this try knows: the file may be
 * behind by the recipients from DIRTY_FROM to DIRTY_TO. */
struct send_message {
    struct send_message *in_bucket, *in_touched; /* links of send_active */
    struct send_message *in_lane[SEND_LANES], **back_in_lane[SEND_LANES], *in_reports;
    bool is_touched, is_idle;
    char id[QUEUE_ID_LENGTH + 1];
    int place;
    int descriptor; /* owned, read-only: agents share it */
    struct queue_message content;
    uint64_t began;            /* when this try did, seconds since 1970 */
    unsigned char *handed;     /* owned: a bit a recipient, set when it was handed out or settled */
    uint32_t next[SEND_LANES]; /* the first recipient that the lane has not looked at yet */
    bool is_waiting[SEND_LANES]; /* in its lane's list `waiting` */
    bool is_blocked[SEND_LANES]; /* in its lane's list `blocked` */
    bool is_parked;              /* at its destinations */
    bool
        is_surplus[SEND_LANES]; /* blocked or parked, where enough others are (queue/send_park.h) */
    bool ended[SEND_LANES];     /* nothing more to hand out */
    struct send_backlog_queue const
        *drawn;                /* it was taken from there; may be stale: compare only */
    struct send_window window; /* remote recipients, by destination */
    uint32_t in_flight;        /* recipients that an agent has, and a report that one has */
    uint32_t delivered, deferred, failed; /* results of this try */
    uint32_t dirty_from, dirty_to;        /* equal: the file has all marks */
    stralloc notes;                       /* owned: lines that notes/ID does not have yet */
    stralloc noted; /* owned: struct send_noted, the marks that follow when the file has them */
    enum send_warning warning;
    uint32_t delayed;         /* recipients of which a delay was noted */
    bool asked[REPORT_KINDS]; /* the report of this kind was asked for in this try */
    enum report_kind report;  /* the one that is asked for now */
    bool report_waits;        /* in the list of reports */
    bool is_reported; /* what notes are about was: that is to be on the disk before they go */
    bool left;        /* the try was broken off: the file stays where it is */
    bool lost;        /* and that by an agent's death that may be this message's doing */
    bool unanswered;  /* and there are deliveries of which the result is not known */
    bool is_paused;   /* a lane is: what is left for it was not tried */
    bool corrupt;     /* an agent found that the message bytes do not fit their checksum */
    struct queue_request request; /* what an operator wants done when the try is over; or none */
    struct queue_answer *answer;  /* not owned: where he waits for how it went; NULL: nobody does */
};

/* True when this try has nothing more to do. */
bool send_message_is_over(struct send_message const *message);

/* Was recipient INDEX handed out in this try, or settled? */
bool send_message_is_handed(struct send_message const *message, uint32_t index);
void send_message_set_handed(struct send_message *message, uint32_t index, bool handed);

/* Frees MESSAGE and closes its file. It must not be in send_active. */
void send_message_free(struct send_message *message);

/* First in, first out. */
struct send_list {
    struct send_message *first, **end;
    unsigned int count;
};

struct send_active {
    struct send_message *buckets[SEND_ACTIVE_BUCKETS];
    unsigned int count;
    unsigned int idle; /* of these: those that do nothing but wait for a place in a lane */
    unsigned int parked;
    uint64_t parked_recipients;        /* of those messages */
    unsigned int in_slot[QUEUE_SLOTS]; /* how many of the slot are active, or in the backlog */
    struct send_list waiting[SEND_LANES], blocked[SEND_LANES], reports;
    struct send_message *touched; /* messages with news in this turn */
};
void send_active_start(struct send_active *active);

struct send_message *send_active_find(struct send_active const *active, char const *id);
void send_active_add(struct send_active *active, struct send_message *message);

/* Takes MESSAGE out. It must be in none of the lists below. */
void send_active_remove(struct send_active *active, struct send_message *message);

/* Puts MESSAGE at the end of one of LANE's lists; a message that gave a recipient away goes to the
 * end, so that one with a million of them does not hold up the others. */
void send_active_push_waiting(struct send_active *active, enum send_lane lane,
                              struct send_message *message);
void send_active_push_blocked(struct send_active *active, enum send_lane lane,
                              struct send_message *message);
/* Takes MESSAGE out of LANE's blocked ones; nothing happens when it is not among them. */
void send_active_remove_blocked(struct send_active *active, enum send_lane lane,
                                struct send_message *message);

/* Takes the first of LANE: of those waiting, else, where there is ROOM, of those blocked. NULL:
 * none. */
struct send_message *send_active_pop(struct send_active *active, enum send_lane lane, bool room);

/* Takes MESSAGE out of all lists that it waits in; who is parked stays so. */
void send_active_withdraw(struct send_active *active, struct send_message *message);

void send_active_push_report(struct send_active *active, struct send_message *message);
struct send_message *send_active_pop_report(struct send_active *active);

/* Counts MESSAGE as idle or not, after anything about it has changed. */
void send_active_reckon(struct send_active *active, struct send_message *message);

/* True when some message waits in a list; those at their destinations do not count. */
bool send_active_has_waiting(struct send_active const *active);

/* The set of messages that got a result. */
void send_active_touch(struct send_active *active, struct send_message *message);
/* Puts those there whose tries are over: what is left is that their files say so. */
void send_active_touch_over(struct send_active *active);
struct send_message *send_active_pop_touched(struct send_active *active);

#endif
