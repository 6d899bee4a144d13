/* The marks of a message's recipients, in memory and in its file.
 *
 * A mark is one byte, overwritten in place. ENVELOPE_DONE goes without a sync: losing it costs one
 * more copy. So does ENVELOPE_DELIVERED, after the note that it stands for (queue/notes.h).
 * ENVELOPE_FAILED is synced after its note. */
#ifndef EKIDEN_SEND_MARKS_H
#define EKIDEN_SEND_MARKS_H

#include "queue/send_active.h"

/* Notes MARK for recipient INDEX in memory. */
void send_marks_set(struct send_message *message, uint32_t index, enum envelope_mark mark);

/* The sender was told of all recipients with this mark: they become ENVELOPE_DONE in memory. */
void send_marks_reported(struct send_message *message, enum envelope_mark mark);

enum send_marks_how {
    SEND_MARKS_WRITE, /* synced when a failure is among them */
    SEND_MARKS_SYNC   /* synced in any case */
};

/* Writes what the file does not have yet. False: errno, and it is tried again with the next call.
 */
bool send_marks_write(int queue, struct send_message *message, enum send_marks_how how);

struct send_marks_count {
    uint32_t todo, failed, delivered; /* the last: and to be reported */
};
struct send_marks_count send_marks_count(struct send_message const *message);

#endif
