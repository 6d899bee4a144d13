/* DATA: a message on its way from the client to the queue. */
#ifndef EKIDEN_MESSAGE_H
#define EKIDEN_MESSAGE_H

#include "smtpd/session.h"

/* Receives the message of the open transaction, which has recipients, queues it, answers, and ends
 * the transaction. Nothing is queued unless the message came to its true end and is sound, and 250
 * is said only when the queue has it durably. */
void message_receive(struct session *session);

#endif
