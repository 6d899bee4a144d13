/* An operator's word on one message, beside its delivery.
 *
 * A message that is not being tried is a file (queue/queue_operate.h). Of one that is, nothing more
 * is handed out; when what is under way has ended, and the marks of what was delivered are in the
 * file, the try is over and it is a file again. */
#ifndef EKIDEN_SEND_OPERATE_H
#define EKIDEN_SEND_OPERATE_H

#include "queue/queue_control.h"
#include "queue/send.h"

/* Does REQUEST, logs it, and sets *ANSWER. */
void send_operate(struct send *send, struct queue_request const *request,
                  struct queue_answer *answer);

/* The try of MESSAGE, of which something is asked, is over. MARKED: its file has all marks. Without
 * them it can only be dropped, and all else waits: moved it would be delivered again, and a
 * cancelled delivery reported as failed to who has the mail. */
void send_operate_on_left(struct send *send, struct send_message *message, bool marked);

/* The same where every recipient is settled and nothing is to be reported: the message has gone. */
void send_operate_on_gone(struct send *send, struct send_message *message);

/* Does what was asked of a scheduler before this one and had to wait (queue/queue_asked.h), before
 * anything is tried. */
void send_operate_on_asked(struct send *send);

#endif
