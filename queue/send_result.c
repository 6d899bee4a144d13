#include "queue/send_result.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "queue/notes.h"
#include "queue/reasons.h"
#include "queue/send_schedule.h"

#define TEXT_MAX (JOB_TEXT_MAX + 100)

static char const *name_of(enum job_result result)
{
    switch (result) {
    case JOB_DELIVERED:
        return "delivered";
    case JOB_RELAYED:
    case JOB_PASSED_ON:
    case JOB_EXPANDED:
        return "passed-on";
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
    if (!queue_recipient_wants(message->content.recipients + index, DSN_DELAY) ||
        !is_warning_due(send, message))
        return;
    if (notes_format(&message->notes, NOTES_DELAYED, index, text))
        message->delayed++;
    else
        log_failed_step(message, "not-noted", errno);
}

/* MARK comes when the note is on the disk. */
static bool note_result(struct send_message *message, uint32_t index, enum envelope_mark mark,
                        enum notes_letter letter, char const *text)
{
    struct send_noted const noted = {.index = index, .mark = mark};
    if (stralloc_readyplus(&message->noted, sizeof noted) &&
        notes_format(&message->notes, letter, index, text)) {
        stralloc_catb(&message->noted, (char const *)&noted, sizeof noted);
        return true;
    }
    log_failed_step(message, "not-noted", errno);
    return false;
}

/* RFC 3461 4.1: a sender that wants to hear of nothing but success, or of nothing, is not told. */
static void settle_failure(struct send_message *message, uint32_t index, char const *text)
{
    if (!queue_recipient_wants(message->content.recipients + index, DSN_FAILURE)) {
        message->failed++;
        send_marks_set(message, index, ENVELOPE_DONE);
    } else if (!note_result(message, index, ENVELOPE_FAILED, NOTES_FAILED, text)) {
        message->deferred++;
    }
}

/* The null sender is never told of a success (RFC 3461 6.1). Where the note cannot be made that is
 * no reason to deliver once more. */
static void settle_success(struct send_message *message, uint32_t index, enum job_result result,
                           char const *text)
{
    enum notes_letter const letter = result == JOB_RELAYED    ? NOTES_RELAYED
                                     : result == JOB_EXPANDED ? NOTES_EXPANDED
                                                              : NOTES_DELIVERED;
    message->delivered++;
    if (result == JOB_PASSED_ON || !message->content.sender_length ||
        !queue_recipient_wants(message->content.recipients + index, DSN_SUCCESS) ||
        !note_result(message, index, ENVELOPE_DELIVERED, letter, text))
        send_marks_set(message, index, ENVELOPE_DONE);
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

/* TRIED: when the recipient's destination was tried, seconds since 1970. */
static void take(struct send *send, struct send_message *message, uint32_t index,
                 enum job_result result, uint64_t tried, char const *text)
{
    char last[TEXT_MAX];
    if ((result == JOB_DEFERRED || result == JOB_UNREACHABLE) &&
        send_schedule_is_expired(message->content.arrival, tried, send->settings.lifetime)) {
        give_up(message, last, text);
        result = JOB_FAILED;
        text = last;
    }
    log_result(message, index, result, text);
    switch (result) {
    case JOB_DELIVERED:
    case JOB_RELAYED:
    case JOB_PASSED_ON:
    case JOB_EXPANDED:
        settle_success(message, index, result, text);
        break;
    case JOB_FAILED:
        settle_failure(message, index, text);
        break;
    case JOB_CORRUPT:
        message->corrupt = true;
        break;
    case JOB_DEFERRED:
    case JOB_UNREACHABLE:
        message->deferred++;
        reasons_put(send->reasons, message->id, index, tried, text);
        note_delay(send, message, index, text);
        break;
    }
    send_active_touch(&send->active, message);
}

void send_result(struct send *send, struct send_message *message, uint32_t index,
                 enum job_result result, char const *text)
{
    take(send, message, index, result, message->began, text);
}

void send_result_untried(struct send *send, struct send_message *message, uint32_t index,
                         uint64_t ago, char const *text)
{
    uint64_t const tried = message->began > ago ? message->began - ago : 0;
    take(send, message, index, JOB_DEFERRED, tried, text);
}

/* The notes could not be written: what failed is tried again, and what was delivered is not. */
static void settle_unnoted(struct send_message *message, struct send_noted const *noted)
{
    if (noted->mark == ENVELOPE_DELIVERED)
        send_marks_set(message, noted->index, ENVELOPE_DONE);
    else
        message->deferred++;
}

/* A mark `-` says: the reason is noted, and the sender was not told yet. So it is not even set in
 * memory before the note is on the disk; and so with `!`. */
void send_result_note(struct send *send, struct send_message *message)
{
    if (message->notes.len == 0)
        return;
    bool const written = notes_append(send->queue, message->id, &message->notes);
    if (!written) {
        log_failed_step(message, "not-noted", errno);
        message->delayed = 0;
        message->warning = SEND_WARNING_NONE;
    }
    for (size_t at = 0; at < message->noted.len; at += sizeof(struct send_noted)) {
        struct send_noted noted;
        memcpy(&noted, message->noted.s + at, sizeof noted);
        if (!written) {
            settle_unnoted(message, &noted);
            continue;
        }
        send_marks_set(message, noted.index, noted.mark);
        message->failed += noted.mark == ENVELOPE_FAILED;
    }
    message->notes.len = message->noted.len = 0;
}

bool send_result_write(struct send *send, struct send_message *message, enum send_marks_how how)
{
    send_result_note(send, message);
    if (send_marks_write(send->queue, message, how))
        return true;
    log_failed_step(message, "not-marked", errno);
    return false;
}
