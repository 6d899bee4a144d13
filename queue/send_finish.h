/* The end of a try: marks, and the one rename or unlink that says what became of the message. */
#ifndef EKIDEN_SEND_FINISH_H
#define EKIDEN_SEND_FINISH_H

#include "queue/send.h"

/* Notes the result of recipient INDEX in memory and logs it with TEXT. */
void send_finish_result(struct send *send, struct send_message *message, uint32_t index,
                        enum job_result result, char const *text);

/* Brings the files of the messages that had results in this turn up to date: a message whose try is
 * over leaves the active ones, of the others the marks are written. */
void send_finish_turn(struct send *send);

#endif
