#include "queue/send_take.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "queue/send_place.h"

static void log_event(char const *event, char const *id, char const *reason, int number)
{
    struct log_line line;
    log_begin(&line, event);
    log_text(&line, "id", id);
    if (reason)
        log_text(&line, "reason", reason);
    if (number)
        log_errno(&line, number);
    log_write(&line);
}

/* The file stays, and is looked at again before long. */
static void keep(struct send *send, struct send_candidate const *candidate, char const *what,
                 int number)
{
    log_event("not-read", candidate->id, what, number);
    send_source_keep(&send->source, candidate->place);
    send_source_soon(&send->source, send_clock());
}

bool send_take_aside(struct send *send, int place, char const *id, char const *reason)
{
    if (send_place_move(send->queue, place, SEND_PLACE_BAD, id)) {
        queue_count_add(send->count.shared, -1);
        log_event("bad", id, reason, 0);
        return true;
    }
    if (errno == ENOENT) {
        log_event("gone", id, "somebody removed the file", 0);
        return true;
    }
    log_event("not-moved", id, "to bad/", errno);
    send_source_keep(&send->source, place);
    return false;
}

bool send_take_is_garbage(struct stat const *status)
{
    uint64_t const changed = (uint64_t)status->st_mtime, now = send_now();
    return status->st_mtime >= 0 && changed <= now && now - changed >= SEND_GARBAGE_SECONDS;
}

/* In new/ a writer may be at work, or died. What was accepted once, as the wheel or its mode says,
 * is never removed. */
static void judge_incomplete(struct send *send, struct send_candidate const *candidate,
                             int descriptor)
{
    struct stat status;
    if (candidate->place != SEND_PLACE_NEW) {
        send_take_aside(send, candidate->place, candidate->id, "no valid end record");
        return;
    }
    if (fstat(descriptor, &status) != 0)
        return;
    bool const accepted = status.st_mode & QUEUE_FILE_ACCEPTED;
    if (!accepted && !send_take_is_garbage(&status))
        return;
    if (flock(descriptor, LOCK_EX | LOCK_NB) != 0)
        return;
    if (accepted)
        send_take_aside(send, candidate->place, candidate->id, "cut off behind its acceptance");
    else if (send_place_remove(send->queue, candidate->place, candidate->id))
        log_event("collected", candidate->id, "never finished, and its writer is gone", 0);
    else if (errno != ENOENT)
        log_event("not-removed", candidate->id, "unfinished file", errno);
}

/* What is settled counts as handed out. False when out of memory. */
static bool begin_try(struct send_message *message)
{
    uint32_t const count = message->content.recipient_count;
    message->handed = calloc(1, count / 8 + 1);
    if (!message->handed)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (message->content.recipients[i].mark != ENVELOPE_TODO)
            send_message_set_handed(message, i, true);
    message->began = send_now();
    return true;
}

static void accept_message(struct send *send, struct send_message *message)
{
    send_active_add(&send->active, message);
    for (enum send_lane lane = 0; lane < SEND_LANES; lane++)
        send_active_push_waiting(&send->active, lane, message);
}

static void read_message(struct send *send, struct send_candidate const *candidate, int descriptor)
{
    struct send_message *const message = calloc(1, sizeof *message);
    if (!message) {
        keep(send, candidate, "memory", errno);
        close(descriptor);
        return;
    }
    message->descriptor = descriptor;
    message->place = candidate->place;
    message->drawn = candidate->from;
    memcpy(message->id, candidate->id, sizeof message->id);
    switch (queue_file_read(descriptor, &message->content)) {
    case QUEUE_READ_OK:
        if (begin_try(message)) {
            accept_message(send, message);
            return;
        }
        keep(send, candidate, "memory", errno);
        break;
    case QUEUE_READ_INCOMPLETE:
        judge_incomplete(send, candidate, descriptor);
        break;
    case QUEUE_READ_LOCKED:
        /* In new/ its writer says when it is done. It may be done by now, so not even the mode that
         * says accepted means anything; only a new look does. */
        if (candidate->place != SEND_PLACE_NEW)
            keep(send, candidate, "another program holds the lock", 0);
        break;
    case QUEUE_READ_CORRUPT:
        send_take_aside(send, candidate->place, candidate->id, "head or lengths damaged");
        break;
    case QUEUE_READ_ERROR:
        keep(send, candidate, "read", errno);
        break;
    }
    send_message_free(message);
}

/* What is not a regular file is set aside: asked without opening it, which for a device may be more
 * than a look. */
static bool is_file(struct send *send, struct send_candidate const *candidate)
{
    struct stat status;
    if (!send_place_stat(send->queue, candidate->place, candidate->id, &status)) {
        if (errno != ENOENT) /* the FIFO named what a look through new/ had found */
            keep(send, candidate, "stat", errno);
        return false;
    }
    if (S_ISREG(status.st_mode))
        return !candidate->sweep || !send_wheel_is_tried(&send->source.wheel, &status.st_ctim);
    send_odd_found(&send->source.odd, candidate->place, candidate->id, "not a file");
    return false;
}

/* Is it being tried, or in the backlog? What lies somewhere else now than the backlog has it was
 * moved by an operator. */
static bool is_known(struct send *send, struct send_candidate const *candidate)
{
    int place;
    if (send_active_find(&send->active, candidate->id))
        return true;
    if (!send_backlog_has(&send->backlog, candidate->id, &place))
        return false;
    if (place == candidate->place)
        return true;
    send_backlog_drop(&send->backlog, candidate->id);
    return false;
}

void send_take(struct send *send, struct send_candidate const *candidate)
{
    if (is_known(send, candidate) || !is_file(send, candidate))
        return;
    int const descriptor = send_place_open(send->queue, candidate->place, candidate->id, O_RDONLY);
    if (descriptor >= 0)
        read_message(send, candidate, descriptor);
    else if (errno != ENOENT)
        keep(send, candidate, "open", errno);
}
