/* What does not belong into the queue: names that are none, folders, links, FIFOs, devices. The
 * scheduler sets it aside in bad/, whole and under its name if that is free; what it cannot move it
 * leaves, and says so once. */
#ifndef EKIDEN_SEND_ODD_H
#define EKIDEN_SEND_ODD_H

#include <stdbool.h>
#include <stdint.h>

#define SEND_ODD_MAX 256

/* Who is no scheduler passes over such things: all zeros but SEND_ODD_MAX for COUNT. */
struct send_odd {
    bool aside; /* into bad/ of QUEUE */
    int queue;
    uint64_t seen[SEND_ODD_MAX]; /* hashes of place and name of what was left */
    unsigned int count;
};

/* There is NAME in PLACE (queue/send_place.h), and WHY it does not belong there. */
void send_odd_found(struct send_odd *odd, int place, char const *name, char const *why);

#endif
