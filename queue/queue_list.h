/* The list of the queue, as packets.
 *
 *   M ID NUL PLACE NUL SIZE NUL ARRIVAL NUL DUE NUL SENDER NUL
 *     one message: PLACE is `new`, `deferred`, `held` or `bad`, SIZE its bytes, ARRIVAL and DUE
 * seconds since 1970 (DUE 0: none), all decimal R ( MARK RECIPIENT NUL )+ recipients of the message
 * before, MARK as in a queue file (envelope.h)
 *
 * A message that is moved while the list is made may be missing from it or stand in it twice. */
#ifndef EKIDEN_QUEUE_LIST_H
#define EKIDEN_QUEUE_LIST_H

#include <stdbool.h>

#define QUEUE_LIST_PACKET_MAX (16u << 10)

enum queue_list_kind { QUEUE_LIST_MESSAGE = 'M', QUEUE_LIST_RECIPIENTS = 'R' };

/* Sends the list of QUEUE, a folder's descriptor, to SOCKET. False: the queue could not be read, or
 * the partner is gone. */
bool queue_list_send(int queue, int socket);

#endif
