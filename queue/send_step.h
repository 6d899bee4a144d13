/* One step of a lane: what was done for one message, and so which list it goes to. */
#ifndef EKIDEN_SEND_STEP_H
#define EKIDEN_SEND_STEP_H

#include "queue/send.h"

enum send_step {
    SEND_STEP_MORE,    /* the lane has more to look at */
    SEND_STEP_BLOCKED, /* what is left has to wait for places */
    SEND_STEP_FAILED,  /* out of memory: nothing more can be handed out for now */
    SEND_STEP_ENDED    /* nothing is left for this lane */
};

/* Hands recipients of MESSAGE to an agent: of the local lane one, of the remote lane those of one
 * transaction; or puts those off whose destination is dead. *BUDGET is the number of recipients
 * that may be looked at, and is counted down. A recipient that is in no lane fails here. Routing is
 * decided now, at each try, and never kept in the queue: a corrected control file helps mail that
 * waits already. */
enum send_step send_local_step(struct send *send, struct send_message *message,
                               unsigned int *budget);
enum send_step send_remote_step(struct send *send, struct send_message *message,
                                unsigned int *budget);

/* Is there a place in the lane? */
bool send_local_has_room(struct send const *send);
bool send_remote_has_room(struct send const *send);

#endif
