/* asked/ID: what an operator has asked for of a message that was being delivered just then, as one
 * line: the letter of the operation (queue/queue_control.h) and the operator's uid in ten digits.
 * It is there from before he is told so until it is done, or replaced by a later word; a scheduler
 * that starts does what the one before it was killed over. Like what is done at once, it is not
 * synced: the end of the scheduler does it no harm, that of the machine may undo it. */
#ifndef EKIDEN_QUEUE_ASKED_H
#define EKIDEN_QUEUE_ASKED_H

#include "queue/queue_control.h"

#define QUEUE_ASKED_FOLDER "asked"

/* Writes REQUEST down, in place of what was asked of this message before. False: errno; the word
 * before stands. */
bool queue_asked_note(int queue, struct queue_request const *request);

/* Reads what was asked of the message ID. False: nothing; or it was cut short by the end of the
 * machine, or cannot be read (errno, else 0). */
bool queue_asked_read(int queue, char const *id, struct queue_request *request);

/* It was done, or does not matter any more. Costs a call where nothing was asked. */
void queue_asked_forget(int queue, char const *id);

#endif
