/* All processes of remote deliveries that there are: which of them a job goes to, and which make
 * way.
 */
#ifndef EKIDEN_REMOTE_CHILDREN_H
#define EKIDEN_REMOTE_CHILDREN_H

#include <stdbool.h>
#include <stdint.h>

#include "deliver/remote_child.h"

#define REMOTE_CHILDREN_MAX      1000 /* further jobs wait; the scheduler has a limit of its own */
#define REMOTE_CHILDREN_IDLE_MAX 100  /* processes that wait for more mail */

struct remote_children {
    unsigned int count;
    struct remote_child entries[REMOTE_CHILDREN_MAX]; /* the first COUNT; in no order */
};

/* The idle one whose way ROUTE is, with what was SERIAL; of several the one that waits least: so as
 * many as are needed stay. NULL: there is none. */
struct remote_child *remote_children_find(struct remote_children *children,
                                          struct smtproute const *route, uint64_t serial);

/* CHILD has become idle: lets one go when there are more than may be, the one that waits longest.
 */
void remote_children_bound_idle(struct remote_children *children, struct remote_child *child);

/* Lets go of all that are idle. */
void remote_children_let_go(struct remote_children *children);

/* The number of one that has no result to give any more: it waits for a server's goodbye, or, when
 * there is no such one, for more mail. COUNT: there is none. */
unsigned int remote_children_dispensable(struct remote_children const *children);

#endif
