#include "queue/queue_cancel.h"

#include <string.h>

#include "queue/notes.h"
#include "queue/send_marks.h"

#define NOTES_PIECE (1u << 20) /* bytes of notes in memory, and in one append */

static bool append(int queue, char const *id, stralloc *lines)
{
    bool const appended = !lines->len || notes_append(queue, id, lines);
    lines->len = 0;
    return appended;
}

static bool note(int queue, char const *id, struct queue_message const *message, char const *reason,
                 stralloc *lines)
{
    for (uint32_t i = 0; i < message->recipient_count; i++) {
        struct queue_recipient const *const recipient = message->recipients + i;
        if (recipient->mark != ENVELOPE_TODO || !queue_recipient_wants(recipient, DSN_FAILURE))
            continue;
        if (!notes_format(lines, NOTES_FAILED, i, reason) ||
            (lines->len > NOTES_PIECE && !append(queue, id, lines)))
            return false;
    }
    return append(queue, id, lines);
}

bool queue_cancel(int queue, int place, char const *id, struct queue_message const *message,
                  char const *reason)
{
    stralloc lines = STRALLOC_ZERO;
    struct send_message file = {.place = place, .descriptor = -1, .content = *message};
    memcpy(file.id, id, sizeof file.id);
    bool const noted = note(queue, id, message, reason, &lines);
    stralloc_free(&lines);
    if (!noted)
        return false;
    for (uint32_t i = 0; i < message->recipient_count; i++)
        if (message->recipients[i].mark == ENVELOPE_TODO)
            send_marks_set(&file, i,
                           queue_recipient_wants(message->recipients + i, DSN_FAILURE)
                               ? ENVELOPE_FAILED
                               : ENVELOPE_DONE);
    return send_marks_write(queue, &file, SEND_MARKS_SYNC);
}
