/* What became of a recipient, and how that gets into the files. */
#ifndef EKIDEN_SEND_RESULT_H
#define EKIDEN_SEND_RESULT_H

#include "queue/send.h"
#include "queue/send_marks.h"

/* Takes the result of recipient INDEX in, and logs it with TEXT. A failure counts only when it is
 * written (send_result_write). A temporary failure of a message whose lifetime was over when this
 * try began is a failure for good: each message has one try at least after its lifetime, however
 * the clock was set meanwhile. */
void send_result(struct send *send, struct send_message *message, uint32_t index,
                 enum job_result result, char const *text);

/* Takes in that recipient INDEX is put off without a try, because its destination was not reachable
 * AGO seconds ago: which is its last try only when the message's lifetime was over then. */
void send_result_untried(struct send *send, struct send_message *message, uint32_t index,
                         uint64_t ago, char const *text);

/* Notes durably what is to be noted, in one append. What cannot be noted as failed is put off
 * instead, and is no reason to go without that try. */
void send_result_note(struct send *send, struct send_message *message);

/* Brings the files up to date: first the notes, then the marks. A mark that cannot be written
 * costs one more copy at the next try. False after logging when the marks are not there. */
bool send_result_write(struct send *send, struct send_message *message, enum send_marks_how how);

#endif
