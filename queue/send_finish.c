#include "queue/send_finish.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/log.h"
#include "queue/send_marks.h"
#include "queue/send_place.h"
#include "queue/send_schedule.h"
#include "queue/send_take.h"

static char const *name_of(enum job_result result)
{
    switch (result) {
    case JOB_DELIVERED:
        return "delivered";
    case JOB_FAILED:
        return "failed";
    case JOB_CORRUPT:
        return "corrupt";
    case JOB_DEFERRED:
        break;
    }
    return "deferred";
}

static void note_result(struct send_message *message, uint32_t index, enum job_result result,
                        char const *text)
{
    struct queue_recipient const *const recipient = message->content.recipients + index;
    struct log_line line;
    log_begin(&line, "delivery");
    log_text(&line, "id", message->id);
    log_bytes(&line, "recipient", recipient->address, recipient->length);
    log_text(&line, "result", name_of(result));
    log_text(&line, "text", text);
    log_write(&line);
    switch (result) {
    case JOB_DELIVERED:
        message->delivered++;
        send_marks_set(message, index, ENVELOPE_DONE);
        break;
    case JOB_FAILED:
        message->failed++;
        send_marks_set(message, index, ENVELOPE_FAILED);
        break;
    case JOB_CORRUPT:
        message->corrupt = true;
        break;
    case JOB_DEFERRED:
        message->deferred++;
        break;
    }
}

void send_finish_result(struct send *send, struct send_message *message, uint32_t index,
                        enum job_result result, char const *text)
{
    note_result(message, index, result, text);
    send_active_touch(&send->active, message);
}

static void log_end(struct send_message const *message, char const *event, char const *key,
                    char const *value)
{
    uint64_t const now = send_now(), arrival = message->content.arrival;
    struct log_line line;
    log_begin(&line, event);
    log_text(&line, "id", message->id);
    log_number(&line, "recipients", message->content.recipient_count);
    log_number(&line, "delivered", message->delivered);
    log_number(&line, "deferred", message->deferred);
    log_number(&line, "failed", message->failed);
    log_number(&line, "delay", now > arrival ? now - arrival : 0);
    if (key)
        log_text(&line, key, value);
    log_write(&line);
}

/* A step failed: the file stays where it is, whole, and is looked at again before long. */
static void stay(struct send *send, struct send_message const *message, char const *what)
{
    struct log_line line;
    log_begin(&line, "not-settled");
    log_text(&line, "id", message->id);
    log_text(&line, "what", what);
    log_errno(&line, errno);
    log_text(&line, "next", "tried again in some minutes");
    log_write(&line);
    send_source_keep(&send->source, message->place);
}

/* A mark that cannot be written costs one more copy at the next try, and is no reason to go without
 * that try. */
static bool write_marks(struct send *send, struct send_message *message, enum send_marks_how how)
{
    struct log_line line;
    if (send_marks_write(send->queue, message, how))
        return true;
    log_begin(&line, "not-marked");
    log_text(&line, "id", message->id);
    log_errno(&line, errno);
    log_write(&line);
    return false;
}

/* Without a mark or a sync: a crash before the removal is on the disk costs one more copy. */
static void finish_done(struct send *send, struct send_message *message)
{
    if (send_place_remove(send->queue, message->place, message->id) || errno == ENOENT) {
        log_end(message, "done", NULL, NULL);
        return;
    }
    stay(send, message, "unlink");
    /* It is on the disk still: now marks have to tell that it is done. */
    write_marks(send, message, SEND_MARKS_WRITE);
}

static void finish_held(struct send *send, struct send_message *message, char const *reason)
{
    /* Synced in any case: a failure may come from a try whose sync failed. */
    if (!write_marks(send, message, SEND_MARKS_SYNC))
        stay(send, message, "mark");
    else if (send_place_move(send->queue, message->place, SEND_PLACE_HOLD, message->id))
        log_end(message, "held", "reason", reason);
    else
        stay(send, message, "rename to hold/");
}

static void finish_deferred(struct send *send, struct send_message *message)
{
    char number[24] = {0};
    uint16_t random = 0;
    uint64_t const now = send_now();
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
        random = (uint16_t)now;
    uint64_t const delay =
        send_schedule_delay(message->content.arrival, now, random, SEND_WHEEL_LONGEST);
    int const slot = send_wheel_slot(&send->source.wheel, now, delay);
    write_marks(send, message, SEND_MARKS_WRITE);
    if (slot != message->place &&
        !send_place_move(send->queue, message->place, slot, message->id)) {
        stay(send, message, "rename to the wheel");
        return;
    }
    uint64_t value = delay;
    size_t at = sizeof number - 1;
    do
        number[--at] = (char)('0' + value % 10);
    while (value /= 10);
    log_end(message, "deferred", "next", number + at);
}

static void expire(struct send_message *message)
{
    for (uint32_t i = 0; i < message->content.recipient_count; i++)
        if (message->content.recipients[i].mark == ENVELOPE_TODO)
            note_result(message, i, JOB_FAILED, "5.4.7 the queue lifetime of the message is over");
}

static void finish(struct send *send, struct send_message *message)
{
    if (message->corrupt) {
        write_marks(send, message, SEND_MARKS_WRITE);
        if (send_take_aside(send, message->place, message->id, "message bytes damaged"))
            log_end(message, "set-aside", NULL, NULL);
        return;
    }
    if (message->left) {
        write_marks(send, message, SEND_MARKS_WRITE);
        send_source_keep(&send->source, message->place);
        log_end(message, "left", "reason", "the try was broken off");
        return;
    }
    struct send_marks_count const count = send_marks_count(message);
    bool const expired =
        count.todo &&
        send_schedule_is_expired(message->content.arrival, send_now(), send->settings.lifetime);
    if (expired)
        expire(message);
    if (count.todo && !expired)
        finish_deferred(send, message);
    else if (count.failed || expired)
        finish_held(send, message, expired ? "lifetime" : "failed");
    else
        finish_done(send, message);
}

void send_finish_turn(struct send *send)
{
    struct send_message *message;
    while ((message = send_active_pop_touched(&send->active))) {
        if (send_message_is_over(message)) {
            finish(send, message);
            send_active_remove(&send->active, message);
            send_message_free(message);
        } else {
            write_marks(send, message, SEND_MARKS_WRITE);
        }
    }
}
