/* Remote recipients of one message, grouped by their destination, so that those of one destination
 * go out in one transaction.
 *
 * It is a window on the message's recipients, and not all of them: so the work of a turn and the
 * memory are bounded also for a million recipients, and each of these is looked at once. What could
 * not be handed out yet stays in it when it is filled again, so that a destination without a place
 * does not hold up the recipients behind. */
#ifndef EKIDEN_SEND_WINDOW_H
#define EKIDEN_SEND_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#define SEND_WINDOW_MAX 1024 /* recipients */

struct send_line;
struct send_message;

struct send_window_entry {
    uint64_t destination; /* a hash: who hands out compares the destinations themselves */
    uint32_t recipient;   /* its index */
};
/* Those of one destination that were not taken yet: entries BEGIN to END. While it waits for a
 * place there it is linked (queue/send_waiting.h), and its window must not be changed. */
struct send_window_group {
    uint64_t destination;
    uint32_t begin, end;
    struct send_message *message;
    struct send_line *at; /* NULL: it does not wait */
    struct send_window_group *next, **back;
};
struct send_window {
    struct send_window_entry *entries; /* owned */
    struct send_window_group *groups;  /* owned */
    uint32_t capacity, entry_count, group_count;
    uint32_t left;   /* entries that were not taken yet */
    uint64_t serial; /* of the settings that the destinations come from */
};

/* Makes room for RECIPIENTS in all, at most SEND_WINDOW_MAX. Nothing happens when that was done.
 * False when out of memory. */
bool send_window_reserve(struct send_window *window, uint32_t recipients);
void send_window_free(struct send_window *window);

/* How many could be added: all but those that are left in it. */
uint32_t send_window_room(struct send_window const *window);

/* Filling: open drops what was taken; add while there is room; close groups what there is. */
void send_window_open(struct send_window *window);
void send_window_add(struct send_window *window, uint64_t destination, uint32_t recipient);
void send_window_close(struct send_window *window);

/* The next recipient of GROUP (below group_count). */
uint32_t send_window_first(struct send_window const *window, uint32_t group);
/* Takes it. False when it was the group's last: then another group has its number. */
bool send_window_take(struct send_window *window, uint32_t group);

/* Empties it, and returns the lowest recipient that was in it, or NEXT when that is lower. */
uint32_t send_window_drop(struct send_window *window, uint32_t next);

#endif
