#include "queue/queue_operate.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "queue/notes.h"
#include "queue/queue_asked.h"
#include "queue/queue_cancel.h"
#include "queue/send_place.h"
#include "queue/wake.h"

struct target {
    struct queue_hands const *hands;
    int queue, place;
    char const *id;
    bool unsure;
    struct queue_answer *answer;
};

static void say(struct target const *target, enum queue_outcome outcome, char const *text,
                int number)
{
    queue_answer_set(target->answer, target->id, outcome, text, number);
}

static void move(struct target const *target, int to)
{
    if (target->place == to || send_place_move(target->queue, target->place, to, target->id))
        say(target, QUEUE_DONE, "", 0);
    else if (errno == ENOENT)
        say(target, QUEUE_GONE, "", 0);
    else
        say(target, QUEUE_FAILED, "the file cannot be moved", errno);
}

static void move_to_new(struct target const *target)
{
    move(target, SEND_PLACE_NEW);
    if (target->answer->outcome == QUEUE_DONE)
        wake_scheduler(target->hands->wake, target->id);
}

/* The notes go last: alone they do no harm, and a message without them would be reported without
 * its reasons. */
static void drop(struct target const *target)
{
    if (!send_place_remove(target->queue, target->place, target->id)) {
        say(target, errno == ENOENT ? QUEUE_GONE : QUEUE_FAILED,
            errno == ENOENT ? "" : "the file cannot be removed", errno == ENOENT ? 0 : errno);
        return;
    }
    if (target->place != SEND_PLACE_BAD)
        queue_count_add(target->hands->count, -1);
    notes_remove(target->queue, target->id);
    say(target, QUEUE_DONE, "", 0);
}

/* Where it is held it would stay there with failures that nobody reports: so that it has left hold/
 * is made durable as well. Not before its marks are, or a crash would have it delivered. */
static void cancel(struct target const *target, struct queue_message const *message)
{
    if (!queue_cancel(target->queue, target->place, target->id, message,
                      target->unsure ? QUEUE_OPERATE_UNSURE : QUEUE_OPERATE_CANCELLED)) {
        say(target, QUEUE_FAILED, "the failures cannot be noted", errno);
        return;
    }
    move_to_new(target);
    if (target->place == SEND_PLACE_HOLD && target->answer->outcome == QUEUE_DONE &&
        !send_place_sync(target->queue, SEND_PLACE_NEW))
        say(target, QUEUE_FAILED, "the folder new cannot be synced", errno);
}

/* What does not apply to a message in this place. NULL: it does. */
static char const *refusal(enum queue_operation operation, int place)
{
    if (place == SEND_PLACE_BAD && operation != QUEUE_DROP)
        return "the file is damaged and lies in bad/; it can be dropped";
    if (operation == QUEUE_HOLD && place == SEND_PLACE_HOLD)
        return "is held already";
    if (operation == QUEUE_RELEASE && place != SEND_PLACE_HOLD)
        return "is not held";
    if (operation == QUEUE_RETRY && place == SEND_PLACE_HOLD)
        return "is held; release it";
    return NULL;
}

static void act(struct target const *target, enum queue_operation operation,
                struct queue_message const *message)
{
    switch (operation) {
    case QUEUE_HOLD:
        move(target, SEND_PLACE_HOLD);
        break;
    case QUEUE_RELEASE:
    case QUEUE_RETRY:
        move_to_new(target);
        break;
    case QUEUE_DROP:
        drop(target);
        break;
    case QUEUE_BOUNCE:
        cancel(target, message);
        break;
    case QUEUE_RETRY_ALL:
        break;
    }
}

/* In new/ a file without an end has a writer perhaps, who would answer 250 for what is gone. */
static void read_and_act(struct target const *target, enum queue_operation operation,
                         int descriptor)
{
    struct queue_message message;
    enum queue_read result = queue_file_read(descriptor, &message);
    bool const droppable = operation == QUEUE_DROP &&
                           (result == QUEUE_READ_CORRUPT ||
                            (result == QUEUE_READ_INCOMPLETE && target->place != SEND_PLACE_NEW));
    if (result == QUEUE_READ_OK || droppable)
        act(target, operation, &message);
    else if (result == QUEUE_READ_ERROR)
        say(target, QUEUE_FAILED, "the file cannot be read", errno);
    else if (result == QUEUE_READ_LOCKED && target->place != SEND_PLACE_NEW)
        say(target, QUEUE_FAILED, "another program holds the file's lock", 0);
    else if ((result == QUEUE_READ_INCOMPLETE || result == QUEUE_READ_LOCKED) &&
             target->place == SEND_PLACE_NEW)
        say(target, QUEUE_NOTHING, "the file is not complete: it is being written, or never was",
            0);
    else
        say(target, QUEUE_FAILED, "the file is damaged; it can be dropped", 0);
    if (result == QUEUE_READ_OK)
        queue_message_free(&message);
}

static void open_and_act(struct target const *target, enum queue_operation operation)
{
    struct stat status;
    int const descriptor = send_place_open(target->queue, target->place, target->id, O_RDONLY);
    if (descriptor < 0 && errno == ENOENT)
        say(target, QUEUE_GONE, "", 0);
    else if (descriptor < 0 && (errno == ELOOP || errno == ENXIO || errno == ENODEV))
        say(target, QUEUE_NOTHING, "is not a file", 0);
    else if (descriptor < 0 || fstat(descriptor, &status) != 0)
        say(target, QUEUE_FAILED, "the file cannot be opened", errno);
    else if (!S_ISREG(status.st_mode))
        say(target, QUEUE_NOTHING, "is not a file", 0);
    else if (target->place == SEND_PLACE_BAD)
        act(target, operation, NULL);
    else
        read_and_act(target, operation, descriptor);
    if (descriptor >= 0)
        close(descriptor);
}

/* Without a believable cursor the scheduler reads all slots when it starts. */
static void forget_cursor(int queue, struct queue_answer *answer)
{
    bool const removed = unlinkat(queue, "wheel/cursor", 0) == 0 || errno == ENOENT;
    queue_answer_set(answer, "", removed ? QUEUE_DONE : QUEUE_FAILED,
                     removed ? "" : "wheel/cursor cannot be removed", removed ? 0 : errno);
}

static void operate_on_one(struct queue_hands const *hands, struct queue_request const *request,
                           struct queue_answer *answer)
{
    struct target target = {.hands = hands,
                            .queue = hands->queue,
                            .place = request->place,
                            .id = request->id,
                            .unsure = request->unsure,
                            .answer = answer};
    if (!send_place_find(hands->queue, request->id, &target.place)) {
        say(&target, QUEUE_GONE, "", 0);
        return;
    }
    char const *const why = refusal(request->operation, target.place);
    if (why)
        say(&target, QUEUE_NOTHING, why, 0);
    else
        open_and_act(&target, request->operation);
}

/* What was asked before is forgotten afterwards: this is the later word, or the same that was
 * written down. Before it is done, an end in between would lose it. */
void queue_operate(struct queue_hands const *hands, struct queue_request const *request,
                   struct queue_answer *answer)
{
    if (request->operation == QUEUE_RETRY_ALL) {
        forget_cursor(hands->queue, answer);
        return;
    }
    operate_on_one(hands, request, answer);
    if (answer->outcome != QUEUE_FAILED)
        queue_asked_forget(hands->queue, request->id);
}

void queue_operate_log(struct queue_request const *request, struct queue_answer const *answer)
{
    static char const *const names[] = {[QUEUE_DONE] = "done",
                                        [QUEUE_WAITS] = "waits",
                                        [QUEUE_GONE] = "gone",
                                        [QUEUE_NOTHING] = "nothing",
                                        [QUEUE_FAILED] = "failed"};
    struct log_line line;
    log_begin(&line, "operation");
    if (*request->id)
        log_text(&line, "id", request->id);
    log_text(&line, "what", queue_operation_name(request->operation));
    log_text(&line, "outcome", names[answer->outcome]);
    log_number(&line, "operator", request->who);
    if (*answer->text)
        log_text(&line, "text", answer->text);
    log_write(&line);
}
