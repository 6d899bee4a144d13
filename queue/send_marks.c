#include "queue/send_marks.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "queue/send_place.h"

void send_marks_set(struct send_message *message, uint32_t index, enum envelope_mark mark)
{
    message->content.recipients[index].mark = (unsigned char)mark;
    message->content.recipients[index].is_unwritten = true;
    if (message->dirty_from == message->dirty_to) {
        message->dirty_from = index;
        message->dirty_to = index + 1;
    } else if (index < message->dirty_from) {
        message->dirty_from = index;
    } else if (index >= message->dirty_to) {
        message->dirty_to = index + 1;
    }
}

void send_marks_reported(struct send_message *message, enum envelope_mark mark)
{
    for (uint32_t i = 0; i < message->content.recipient_count; i++)
        if (message->content.recipients[i].mark == mark)
            send_marks_set(message, i, ENVELOPE_DONE);
    message->is_reported = true;
}

static bool write_mark(int descriptor, struct queue_recipient const *recipient)
{
    char const mark = (char)recipient->mark;
    ssize_t written;
    do
        written = pwrite(descriptor, &mark, 1, (off_t)recipient->mark_offset);
    while (written < 0 && errno == EINTR);
    if (written == 0)
        errno = EIO;
    return written == 1;
}

static bool sync_file(int descriptor)
{
    int result;
    do
        result = fdatasync(descriptor);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

/* Closes DESCRIPTOR and keeps errno. */
static bool end(int descriptor, bool result)
{
    int const saved = errno;
    close(descriptor);
    errno = saved;
    return result;
}

bool send_marks_write(int queue, struct send_message *message, enum send_marks_how how)
{
    bool sync = how == SEND_MARKS_SYNC, written = true;
    if (message->dirty_from == message->dirty_to && !sync)
        return true;
    /* The descriptor that agents share is read-only; one for writing lives as short as possible. */
    int const descriptor = send_place_open(queue, message->place, message->id, O_WRONLY);
    if (descriptor < 0)
        return false;
    for (uint32_t i = message->dirty_from; written && i < message->dirty_to; i++) {
        struct queue_recipient const *const recipient = message->content.recipients + i;
        if (!recipient->is_unwritten || recipient->mark == ENVELOPE_TODO)
            continue;
        sync = sync || recipient->mark == ENVELOPE_FAILED;
        written = write_mark(descriptor, recipient);
    }
    if (!written || (sync && !sync_file(descriptor)))
        return end(descriptor, false);
    /* Not before all is there: what a sync has failed for is written once more. */
    for (uint32_t i = message->dirty_from; i < message->dirty_to; i++)
        message->content.recipients[i].is_unwritten = false;
    message->dirty_from = message->dirty_to = 0;
    return end(descriptor, true);
}

struct send_marks_count send_marks_count(struct send_message const *message)
{
    struct send_marks_count count = {.todo = 0};
    for (uint32_t i = 0; i < message->content.recipient_count; i++) {
        unsigned char const mark = message->content.recipients[i].mark;
        count.todo += mark == ENVELOPE_TODO;
        count.failed += mark == ENVELOPE_FAILED;
        count.delivered += mark == ENVELOPE_DELIVERED;
    }
    return count;
}
