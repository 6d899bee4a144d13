/* The sender under which a message that was forwarded leaves for another host: lib/srs.h. The queue
 * file keeps the one that it came with, so reports of ours go straight to him. */
#ifndef EKIDEN_SEND_SRS_H
#define EKIDEN_SEND_SRS_H

#include "lib/srs.h"
#include "queue/send.h"

/* The sender to say in place of SENDER (of the message, or what VERP made of it): SENDER itself, or
 * made in OUT. Domains of our own (locals, virtualdomains, srsdomain) are not rewritten: that they
 * let us send is for their owners to see to. */
char const *send_srs_sender(char out[SRS_SIZE], struct send const *send,
                            struct queue_message const *message, char const *sender);

/* True when the message has to wait until the file of keys is mended. */
bool send_srs_waits(struct send const *send, struct queue_message const *message);

#endif
