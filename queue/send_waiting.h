/* Active messages that wait for places at their destinations: each of a message's groups stands in
 * the line of its kind at its destination, first come, first served. Who is called from one line
 * leaves the others. */
#ifndef EKIDEN_SEND_WAITING_H
#define EKIDEN_SEND_WAITING_H

#include "queue/send_active.h"
#include "queue/send_destinations.h"

/* Where MESSAGE waits at the destination KEY. */
struct send_line *send_waiting_line(struct send_destinations *destinations,
                                    struct send_message const *message, uint64_t key, uint64_t now);

/* MESSAGE, of which no group waits yet and one is there at least, waits with all of them. */
void send_waiting_add(struct send_destinations *destinations, struct send_message *message,
                      uint64_t now);

/* It does not wait any more. Nothing happens when it did not. */
void send_waiting_remove(struct send_destinations *destinations, struct send_message *message);

/* The first of the next line, in turn, whose destination is ready for it, or dead; it does not wait
 * any more. NULL: none can go on. LIMIT is the bound on all transactions. The other one: whoever
 * waits. */
struct send_message *send_waiting_next(struct send_destinations *destinations, uint64_t limit,
                                       uint64_t now);
struct send_message *send_waiting_any(struct send_destinations *destinations);

/* Milliseconds until a rate lets somebody go on who waits, UINT64_MAX: nobody waits for one. */
uint64_t send_waiting_time(struct send_destinations const *destinations, uint64_t now);

#endif
