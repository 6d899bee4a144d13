/* Fails all recipients of a message that were not delivered yet, by an operator's word. */
#ifndef EKIDEN_QUEUE_CANCEL_H
#define EKIDEN_QUEUE_CANCEL_H

#include <stdbool.h>

#include "queue/queue_file.h"

/* MESSAGE is what the file ID in PLACE (queue/send_place.h) of QUEUE was read as. Notes REASON of
 * each recipient that is to be delivered, durably, then marks it as failed, durably: the two
 * steps of each failure. Of whom the sender wants to hear nothing (RFC 3461 4.1), the mark says
 * that nothing is left to do. False: errno; some may be noted then, which does no harm, but none is
 * delivered any more that is marked. */
bool queue_cancel(int queue, int place, char const *id, struct queue_message const *message,
                  char const *reason);

#endif
