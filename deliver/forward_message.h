/* The end of every forward: the message itself on its way into the queue. */
#ifndef EKIDEN_FORWARD_MESSAGE_H
#define EKIDEN_FORWARD_MESSAGE_H

#include "deliver/message_copy.h"
#include "queue/inject_client.h"

/* CLIENT has the envelope of a new message. Hands it JOB's message (read from MESSAGE by pread)
 * with a Delivered-To field for JOB's recipient, from which loops are known, and commits. FAILURE
 * says how it went: on JOB_DELIVERED the new message is durable in the queue, and the text has its
 * id. COPY is room for the work. What was not committed is discarded when CLIENT is closed. */
void forward_message(struct inject_client *client, struct message_copy *copy, struct job const *job,
                     int message, struct failure *failure);

#endif
