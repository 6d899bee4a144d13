/* How many messages become active: from the folders, and from the backlog. */
#ifndef EKIDEN_SEND_INTAKE_H
#define EKIDEN_SEND_INTAKE_H

#include "queue/send.h"

/* A message that only waits for a place in a lane does not count, so that one lane being full does
 * not keep the other from getting mail. */
bool send_intake_has_room(struct send const *send);

/* Those that were taken are looked at first: if they have many recipients, that takes a while. True
 * when they are too many for more. */
bool send_intake_is_behind(struct send const *send);

/* Takes some messages from the folders, while there is room. True when there is more to look at
 * now.
 */
bool send_intake_turn(struct send *send);

/* Takes some of the backlog for which it is time. True when there were any. */
bool send_intake_draw(struct send *send);

#endif
