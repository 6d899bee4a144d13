/* Messages that have nothing to do but to wait for places, and what happens when they are many.
 *
 * Those that wait are active as far as they are needed to keep their destination busy; what is more
 * than that is put back: it goes out of the memory, lies in its folder as before, and stands in the
 * backlog of its destination (queue/send_backlog.h), from which it is drawn as places come free. So
 * 100,000 messages for one slow host take no place that another message needs. */
#ifndef EKIDEN_SEND_PARK_H
#define EKIDEN_SEND_PARK_H

#include "queue/send.h"

#define SEND_PARKED_MAX            1500 /* messages that wait for destinations; half of SEND_ACTIVE_MAX */
#define SEND_PARKED_RECIPIENTS_MAX 10000               /* of these messages, together */
#define SEND_LOCAL_MAX             SEND_JOBS_LOCAL_MAX /* messages that wait for local places */

/* What is left of MESSAGE's remote recipients has to wait for its destinations. */
void send_park_remote(struct send *send, struct send_message *message, uint64_t now);
/* The next recipient of MESSAGE has to wait for a local place. */
void send_park_local(struct send *send, struct send_message *message);

/* MESSAGE waits at its destinations no more; nothing happens when it does not. */
void send_park_leave(struct send *send, struct send_message *message);

/* The next message that can go on at one of its destinations; NULL: none. */
struct send_message *send_park_call(struct send *send, uint64_t now);

/* All parked messages are to be looked at again. */
void send_park_call_all(struct send *send);
/* And those of the backlog: destinations have changed with the settings. */
void send_park_sort_anew(struct send *send);

/* Puts MESSAGE back when it is too much: true, and it is gone. What is known of it must have been
 * written. */
bool send_park_put_back(struct send *send, struct send_message *message);

/* Takes messages of the backlog for which it is time, at most MOST and as long as HAS_ROOM. Returns
 * how many. */
unsigned int send_park_draw(struct send *send, unsigned int most,
                            bool (*has_room)(struct send const *));

/* Milliseconds until a rate lets somebody go on who waits and could not when places were handed out
 * last; UINT64_MAX: nobody waits for one. */
uint64_t send_park_time(struct send const *send, uint64_t now);

#endif
