#include "queue/send_finish.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/log.h"
#include "queue/notes.h"
#include "queue/send_marks.h"
#include "queue/send_operate.h"
#include "queue/send_park.h"
#include "queue/send_place.h"
#include "queue/send_report.h"
#include "queue/send_result.h"
#include "queue/send_schedule.h"
#include "queue/send_take.h"

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

/* Nothing is left to do. Without a mark or a sync: a crash before the removal is on the disk costs
 * one more copy. Only what was reported is marked so durably before its notes go, or else a crash
 * between the two removals would leave failures without their reasons. */
static void finish_done(struct send *send, struct send_message *message)
{
    bool const safe = !message->is_reported || send_result_write(send, message, SEND_MARKS_SYNC);
    if (safe)
        notes_remove(send->queue, message->id);
    if (send_place_remove(send->queue, message->place, message->id) || errno == ENOENT) {
        if (!safe)
            notes_remove(send->queue, message->id);
        queue_count_add(send->count.shared, -1);
        log_end(message, "done", NULL, NULL);
        message->dirty_from = message->dirty_to = 0; /* nobody asks for its marks any more */
        return;
    }
    stay(send, message, "unlink");
    /* It is on the disk still: now marks have to tell that it is done. */
    send_result_write(send, message, SEND_MARKS_WRITE);
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
    /* What was reported is synced, or else it is reported once more. */
    if (!send_result_write(send, message,
                           message->is_reported ? SEND_MARKS_SYNC : SEND_MARKS_WRITE)) {
        stay(send, message, "marks");
        return;
    }
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

/* What was not tried because of a pause comes again when that has ended. New mail goes to the
 * wheel: in new/ it would be read at each look. */
static void finish_paused(struct send *send, struct send_message *message)
{
    struct send_wheel *const wheel = &send->source.wheel;
    int const slot = message->place >= 0 ? message->place : send_wheel_parking(wheel);
    if (!send_result_write(send, message,
                           message->is_reported ? SEND_MARKS_SYNC : SEND_MARKS_WRITE)) {
        stay(send, message, "marks");
        return;
    }
    send_wheel_park(wheel, slot);
    /* Before the file is there: a cursor that is ahead of it would leave it for hours. */
    send_wheel_save(wheel, send->active.in_slot);
    if (slot != message->place &&
        !send_place_move(send->queue, message->place, slot, message->id)) {
        stay(send, message, "rename to the wheel");
        return;
    }
    log_end(message, "paused", NULL, NULL);
}

/* What an operator asked for while there were deliveries under way. A message that these have
 * settled goes: held it would stay for good, and nothing is left of it to be dropped. */
static void finish_asked(struct send *send, struct send_message *message, bool marked)
{
    struct send_marks_count const count = send_marks_count(message);
    if (count.todo || count.failed || count.delivered) {
        send_operate_on_left(send, message, marked);
        return;
    }
    finish_done(send, message);
    send_operate_on_gone(send, message);
}

/* A try that was broken off, or that found damage: the end of it, whatever its recipients' marks
 * are. */
static bool finish_early(struct send *send, struct send_message *message)
{
    if (!message->corrupt && !message->left)
        return false;
    bool const marked = send_result_write(send, message, SEND_MARKS_WRITE);
    if (message->request.operation && !message->corrupt) {
        finish_asked(send, message, marked);
        return true;
    }
    if (message->lost && !message->corrupt) {
        finish_deferred(send, message);
        return true;
    }
    if (message->corrupt) {
        if (send_take_aside(send, message->place, message->id, "message bytes damaged"))
            log_end(message, "set-aside", NULL, NULL);
        return true;
    }
    send_source_keep(&send->source, message->place);
    log_end(message, "left", "reason", "the try was broken off");
    return true;
}

/* Is there something to report that was not yet asked for in this try? */
static bool find_report(struct send_message const *message, struct send_marks_count const *count,
                        enum report_kind *kind)
{
    bool const due[REPORT_KINDS] = {[REPORT_FAILURE] = count->failed,
                                    [REPORT_SUCCESS] = count->delivered,
                                    [REPORT_DELAY] = count->todo && message->delayed};
    for (*kind = 0; *kind < REPORT_KINDS; ++*kind)
        if (due[*kind] && !message->asked[*kind])
            return true;
    return false;
}

/* The order that makes it one report at least, never none, wherever a crash comes:
 *   1. the reason of a failure is noted, synced;
 *   2. its mark becomes `-`, synced (1 and 2: send_result_write, in the turn of the result);
 *   3. ekiden-bounce commits the report as a message of the queue, and answers K;
 *   4. the mark becomes `+`;
 *   5. the message goes, or is put off.
 * Before 2 the recipient counts as untried; between 2 and 4 it is found with its `-` and the report
 * is made (once more), also in a try that has nothing to deliver. Nothing but 4 takes a `-` away,
 * and nothing removes a message that has one: when the report cannot be made, or ekiden-bounce is
 * gone, the message keeps its marks and comes again with its next try. A success that the sender
 * wants to hear of goes the same way with `!` in place of `-`, but for the sync in 2: a crash there
 * delivers once more, as it does with any mark of a delivery, and then reports. */
static bool finish(struct send *send, struct send_message *message)
{
    if (finish_early(send, message))
        return true;
    send_result_note(send, message);
    struct send_marks_count const count = send_marks_count(message);
    enum report_kind kind;
    bool const report = find_report(message, &count, &kind);
    /* ekiden-bounce reports what the files say. */
    if (report && send->stopping) {
        message->left = true;
        return finish_early(send, message);
    }
    if (report && send_result_write(send, message, SEND_MARKS_WRITE)) {
        send_report_ask(send, message, kind);
        return false;
    }
    if (count.todo && !count.failed && !count.delivered && message->is_paused && !message->deferred)
        finish_paused(send, message);
    else if (count.todo || count.failed || count.delivered)
        finish_deferred(send, message);
    else
        finish_done(send, message);
    return true;
}

/* Its file does not have the marks of this try, as on a disk that can only be read: let go, it
 * would be tried again with every look, and delivered each time. It stays active, so that nobody
 * takes it, until a later turn has written them. */
static bool is_unmarked(struct send const *send, struct send_message const *message)
{
    struct stat status;
    return message->dirty_from != message->dirty_to && !message->corrupt && !send->stopping &&
           (send_place_stat(send->queue, message->place, message->id, &status) || errno != ENOENT);
}

void send_finish_turn(struct send *send)
{
    struct send_message *message;
    while ((message = send_active_pop_touched(&send->active))) {
        if (!send_message_is_over(message)) {
            if (send_result_write(send, message, SEND_MARKS_WRITE))
                send_park_put_back(send, message);
        } else if (finish(send, message) && !is_unmarked(send, message)) {
            send_active_remove(&send->active, message);
            send_message_free(message);
        }
    }
}
