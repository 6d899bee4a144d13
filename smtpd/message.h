/* A message that arrives: by DATA, and what BDAT (chunks.h) shares with it. Nothing is queued
 * unless the message came to its true end and is sound, and 250 is said only when the queue has it
 * durably.
 */
#ifndef EKIDEN_MESSAGE_H
#define EKIDEN_MESSAGE_H

#include <stdbool.h>

#include "smtpd/session.h"

/* Before the first octet of a message: may the login, or the client, send one more? False: that is
 * answered, or the session's end is set. */
bool message_may_begin(struct session *session);

/* DATA: receives the message of the open transaction, which has recipients, queues it, answers, and
 * ends the transaction. */
void message_receive(struct session *session);

/* Waits for more of an open message. False: the session's end is set. */
bool message_wait(struct session *session);

/* Says why the message, which was abandoned, is refused. */
void message_refuse(struct session *session);

/* All has come: queues the message or refuses it, answers, and ends the transaction. */
void message_end(struct session *session);

/* Ends the transaction without a word, and a message of which a part has come. */
void message_forget(struct session *session);

#endif
