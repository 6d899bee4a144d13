/* The destinations of remote mail: how many transactions each may have at once, and which are dead.
 *
 * A destination is what smtproutes answers, known by its sum. It starts with a small window on
 * transactions. Each success lets the window grow, by one until it has shrunk once, from then on by
 * one a window (TCP's way of finding what a path bears). Each transaction that could not even reach
 * the destination takes one away. With none left it is dead: nothing is tried for some minutes,
 * then one message is, and if that fails, nothing for twice as long, up to an hour.
 *
 * All that is in memory only, and a restart begins anew. The table is bounded: entries that hold
 * nothing are used again, those of least use first; when none is found, destinations share one
 * entry. Times are milliseconds of the monotonic clock. */
#ifndef EKIDEN_SEND_DESTINATIONS_H
#define EKIDEN_SEND_DESTINATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/send_backlog.h"
#include "queue/send_limits.h"

#define SEND_DESTINATIONS_MAX       2048 /* three quarters of a KiB each */
#define SEND_DESTINATIONS_BUCKETS   2048 /* a power of two */
#define SEND_DESTINATION_START      5    /* the first window; Postfix's */
#define SEND_DESTINATION_WIDEST     250
#define SEND_DESTINATION_DEAD_FIRST UINT64_C(300000) /* at first */
#define SEND_DESTINATION_DEAD_MAX   UINT64_C(3600000)
#define SEND_DESTINATION_LATE       UINT64_C(100) /* that a rate makes up for */
#define SEND_DESTINATION_NAME       64            /* octets kept of its first host, with NUL */
#define SEND_DESTINATION_WORDS      240           /* octets kept of the last failure, with NUL */

struct send_window_group;

/* Reports (mail with the null sender) go where a stranger wants, who forged a sender or asked for a
 * receipt: so they have half of all places at most, whatever else is there. */
enum send_kind { SEND_KIND_MAIL, SEND_KIND_REPORT, SEND_KINDS };

/* Groups of recipients of active messages of one kind that wait for a place at a destination
 * (queue/send_waiting.h), and the messages that wait to be active. */
struct send_line {
    struct send_destination *destination;
    enum send_kind kind;
    unsigned int in_flight; /* transactions of the kind */
    struct send_window_group *first, **end;
    unsigned int waiting;
    struct send_line *next_hungry, **back_hungry; /* has somebody who waits */
    struct send_backlog_queue backlog;
};

struct send_destination {
    uint64_t key;
    struct send_destination *in_bucket, *older, *newer;
    uint64_t serial; /* of the settings that the limits come from; 0: not known yet */
    struct send_limits limits;
    unsigned int in_flight; /* transactions */
    unsigned int start;     /* the first window, also after it was dead */
    unsigned int window;    /* 0: dead, or waiting for what becomes of a probe */
    unsigned int successes; /* since the window grew */
    bool steady;            /* the window has shrunk before */
    uint64_t dead_until;    /* counts with window 0 */
    uint64_t dead_for;      /* how long it was dead the last time; 0: it has answered since */
    uint64_t failed_at;     /* when a transaction last found nobody */
    uint64_t rate_at;       /* when the rate allows the next one */
    char name[SEND_DESTINATION_NAME];
    uint16_t port;                      /* 0: NAME is the path of a socket */
    char words[SEND_DESTINATION_WORDS]; /* what was said then, without a code */
    struct send_line lines[SEND_KINDS];
};

struct send_destinations {
    struct send_destination *buckets[SEND_DESTINATIONS_BUCKETS];
    struct send_destination *oldest, *newest; /* by their use */
    struct send_line *hungry, **hungry_end;
    unsigned int used;
    unsigned int in_flight; /* transactions with all of them */
    unsigned int reports;   /* of these: with reports */
    struct send_destination shared;
    struct send_destination table[SEND_DESTINATIONS_MAX];
};

/* DESTINATIONS is all zero. */
void send_destinations_start(struct send_destinations *destinations);

/* The entry of KEY, a new one where there is none; never NULL. It stays the same one as long as it
 * has something in flight, waiting or in its backlog. */
struct send_destination *send_destinations_find(struct send_destinations *destinations,
                                                uint64_t key, uint64_t now);

/* Tells DESTINATION, which was found with another serial, its first HOST (for the log) and
 * its limits under the settings SERIAL. The first window is START, at most
 * SEND_DESTINATION_START: 1 where a password could be wrong. */
void send_destination_set(struct send_destination *destination, uint64_t serial,
                          struct smtproute_host const *host, struct send_limits const *limits,
                          unsigned int start);

enum send_destination_state {
    SEND_DESTINATION_READY, /* one more transaction can begin */
    SEND_DESTINATION_FULL,  /* not now */
    SEND_DESTINATION_DEAD   /* nothing is to be tried for a while */
};
/* LIMIT is the bound on all transactions. A destination gets at most half of it, and one more only
 * while it has less than what is free: so one alone has half, two that are busy have a third each,
 * and there is a place for another as soon as one of theirs has ended. Reports share half of the
 * places in the same way, or one destination of theirs would keep all others' waiting. */
enum send_destination_state send_destination_state(struct send_destinations const *destinations,
                                                   struct send_line const *line, uint64_t limit,
                                                   uint64_t now);

/* Milliseconds until its rate allows the next one; UINT64_MAX: it does now. */
uint64_t send_destination_time(struct send_destination const *destination, uint64_t now);

/* How many transactions LINE could ever have now: the least of the destination's window, half of
 * LIMIT (of reports: of half of it) and the destination's limits; not 0. */
unsigned int send_destination_width(struct send_line const *line, uint64_t limit);

/* A transaction begins; LINE is ready. */
void send_destination_begin(struct send_destinations *destinations, struct send_line *line,
                            uint64_t now);

/* In their order: of several answers the best counts. */
enum send_destination_verdict {
    SEND_DESTINATION_UNKNOWN, /* says nothing about the destination */
    SEND_DESTINATION_UNREACHABLE,
    SEND_DESTINATION_ANSWERS, /* it was there, but did not take the mail now */
    SEND_DESTINATION_WORKS
};
enum send_destination_change {
    SEND_DESTINATION_SAME,
    SEND_DESTINATION_DIED, /* again, or for the first time */
    SEND_DESTINATION_BACK
};
/* A transaction has ended. WORDS (for UNREACHABLE) say why; a code at their beginning is left out.
 */
enum send_destination_change send_destination_end(struct send_destinations *destinations,
                                                  struct send_line *line,
                                                  enum send_destination_verdict verdict,
                                                  char const *words, uint64_t now);

/* None is dead any more: each may be tried at once. */
void send_destinations_revive(struct send_destinations *destinations);

/* Is it waited for by somebody else than those that are being tried? Entries for which it is false
 * may be used for others. */
bool send_destination_is_held(struct send_destination const *destination);

#endif
