/* Counts the Received fields of a message's header, to find loops (RFC 5321 6.3). */
#ifndef EKIDEN_HOPS_H
#define EKIDEN_HOPS_H

#include <stdbool.h>
#include <stddef.h>

#define HOPS_MAX 100 /* so many Received fields from outside are a loop */

struct hops {
    unsigned int count;
    unsigned int matched; /* bytes of `received` that the line began with; more: another field */
    bool body;            /* the header is over */
};

void hops_start(struct hops *hops);

/* Looks at the next piece of the message (LF line ends). Cheap once the body began. */
void hops_add(struct hops *hops, char const *bytes, size_t length);

#endif
