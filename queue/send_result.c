#include "queue/send_result.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "queue/notes.h"
#include "queue/send_schedule.h"

#define TEXT_MAX (JOB_TEXT_MAX + 100)

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
    case JOB_UNREACHABLE:
        break;
    }
    return "deferred";
}

static void log_failed_step(struct send_message const *message, char const *event, int number)
{
    struct log_line line;
    log_begin(&line, event);
    log_text(&line, "id", message->id);
    log_errno(&line, number);
    log_write(&line);
}

static bool see_warned(void *context, enum notes_letter letter, uint32_t index, char const *text)
{
    bool *const warned = context;
    (void)index;
    (void)text;
    *warned = letter == NOTES_WARNED;
    return !*warned;
}

/* Notes that cannot be read say nothing: better no warning than one at each try. */
static bool was_warned(struct send *send, struct send_message const *message)
{
    bool warned = false;
    int const notes = notes_open(send->queue, message->id);
    if (notes < 0)
        return errno != ENOENT;
    bool const read = notes_read(notes, see_warned, &warned);
    close(notes);
    return warned || !read;
}

static bool is_warning_due(struct send *send, struct send_message *message)
{
    uint64_t const after = send->settings.delay_warning;
    if (message->warning == SEND_WARNING_UNKNOWN) {
        bool const due =
            after && message->content.sender_length &&
            send_schedule_is_expired(message->content.arrival, message->began, after) &&
            !was_warned(send, message);
        message->warning = due ? SEND_WARNING_DUE : SEND_WARNING_NONE;
    }
    return message->warning == SEND_WARNING_DUE;
}

static void note_delay(struct send *send, struct send_message *message, uint32_t index,
                       char const *text)
{
    if (!is_warning_due(send, message))
        return;
    if (notes_format(&message->notes, NOTES_DELAYED, index, text))
        message->delayed++;
    else
        log_failed_step(message, "not-noted", errno);
}

static bool note_failure(struct send_message *message, uint32_t index, char const *text)
{
    if (stralloc_readyplus(&message->failing, sizeof index) &&
        notes_format(&message->notes, NOTES_FAILED, index, text)) {
        stralloc_catb(&message->failing, (char const *)&index, sizeof index);
        return true;
    }
    log_failed_step(message, "not-noted", errno);
    return false;
}

/* The end of the patience: what is said to the sender, with the reason of the last try. */
static void give_up(struct send_message const *message, char text[TEXT_MAX], char const *last)
{
    uint64_t const age = message->began - message->content.arrival;
    uint64_t const days = age / 86400, hours = age / 3600;
    if (days >= 2)
        snprintf(text, TEXT_MAX, "5.4.7 given up after %" PRIu64 " days", days);
    else if (hours >= 2)
        snprintf(text, TEXT_MAX, "5.4.7 given up after %" PRIu64 " hours", hours);
    else
        snprintf(text, TEXT_MAX, "5.4.7 given up after %" PRIu64 " seconds", age);
    size_t const used = strlen(text);
    snprintf(text + used, TEXT_MAX - used, "; the last try said: %.*s", JOB_TEXT_MAX, last);
}

static void log_result(struct send_message const *message, uint32_t index, enum job_result result,
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
}

void send_result(struct send *send, struct send_message *message, uint32_t index,
                 enum job_result result, char const *text)
{
    char last[TEXT_MAX];
    if ((result == JOB_DEFERRED || result == JOB_UNREACHABLE) &&
        send_schedule_is_expired(message->content.arrival, message->began,
                                 send->settings.lifetime)) {
        give_up(message, last, text);
        result = JOB_FAILED;
        text = last;
    }
    log_result(message, index, result, text);
    switch (result) {
    case JOB_DELIVERED:
        message->delivered++;
        send_marks_set(message, index, ENVELOPE_DONE);
        break;
    case JOB_FAILED:
        if (!note_failure(message, index, text))
            message->deferred++;
        break;
    case JOB_CORRUPT:
        message->corrupt = true;
        break;
    case JOB_DEFERRED:
    case JOB_UNREACHABLE:
        message->deferred++;
        note_delay(send, message, index, text);
        break;
    }
    send_active_touch(&send->active, message);
}

/* A mark `-` says: the reason is noted, and the sender was not told yet. So it is not even set in
 * memory before the note is on the disk. */
void send_result_note(struct send *send, struct send_message *message)
{
    uint32_t const failing = (uint32_t)(message->failing.len / sizeof(uint32_t));
    if (message->notes.len == 0)
        return;
    if (notes_append(send->queue, message->id, &message->notes)) {
        for (uint32_t i = 0; i < failing; i++) {
            uint32_t index;
            memcpy(&index, message->failing.s + i * sizeof index, sizeof index);
            send_marks_set(message, index, ENVELOPE_FAILED);
        }
        message->failed += failing;
    } else {
        log_failed_step(message, "not-noted", errno);
        message->deferred += failing;
        message->delayed = 0;
        message->warning = SEND_WARNING_NONE;
    }
    message->notes.len = message->failing.len = 0;
}

bool send_result_write(struct send *send, struct send_message *message, enum send_marks_how how)
{
    send_result_note(send, message);
    if (send_marks_write(send->queue, message, how))
        return true;
    log_failed_step(message, "not-marked", errno);
    return false;
}
