#include "queue/send_operate.h"

#include <errno.h>

#include "lib/log.h"
#include "queue/queue_asked.h"
#include "queue/queue_operate.h"
#include "queue/send_dispatch.h"
#include "queue/send_finish.h"
#include "queue/send_place.h"
#include "queue/send_result.h"
#include "queue/send_schedule.h"

static void operate_on_file(struct send *send, struct queue_request const *request,
                            struct queue_answer *answer)
{
    int place;
    /* What waits in the backlog is looked at anew, as it is then. */
    if (send_backlog_has(&send->backlog, request->id, &place)) {
        send_backlog_drop(&send->backlog, request->id);
        send_source_keep(&send->source, place);
        send_source_soon(&send->source, send_clock());
    }
    struct queue_hands const hands = {
        .queue = send->queue, .wake = send->source.wake.descriptor, .count = send->count.shared};
    queue_operate(&hands, request, answer);
}

/* What was asked before and waits still is replaced: the last word counts. What has to wait is
 * written down first, or nothing is promised. */
static void operate_on_active(struct send *send, struct send_message *message,
                              struct queue_request const *request, struct queue_answer *answer)
{
    struct queue_request noted = *request;
    bool const trying = request->operation == QUEUE_RETRY || request->operation == QUEUE_RELEASE;
    if (trying && !message->request.operation) {
        bool const retry = request->operation == QUEUE_RETRY;
        queue_answer_set(answer, request->id, retry ? QUEUE_DONE : QUEUE_NOTHING,
                         retry ? "" : "is not held", 0);
        return;
    }
    noted.place = message->place;
    if (trying)
        noted.operation = QUEUE_RETRY;
    bool const waits = message->in_flight || !send_result_write(send, message, SEND_MARKS_WRITE);
    if (waits && !queue_asked_note(send->queue, &noted)) {
        queue_answer_set(answer, request->id, QUEUE_FAILED, "it cannot be written down in asked/",
                         errno);
        return;
    }
    queue_answer_set(answer, request->id, QUEUE_WAITS, "", 0);
    message->request = noted;
    message->answer = answer;
    send_dispatch_break(send, message);
    send_finish_turn(send);
    /* Where it is still active something is under way. */
    struct send_message *const left = send_active_find(&send->active, request->id);
    if (left)
        left->answer = NULL;
}

void send_operate(struct send *send, struct queue_request const *request,
                  struct queue_answer *answer)
{
    /* Whoever asks for a try knows better than a dead destination. */
    if (request->operation == QUEUE_RETRY || request->operation == QUEUE_RETRY_ALL)
        send_destinations_revive(&send->destinations);
    if (request->operation == QUEUE_RETRY_ALL) {
        send_source_all(&send->source);
        queue_answer_set(answer, "", QUEUE_DONE, "", 0);
    } else {
        struct send_message *const message = send_active_find(&send->active, request->id);
        if (message)
            operate_on_active(send, message, request, answer);
        else
            operate_on_file(send, request, answer);
    }
    queue_operate_log(request, answer);
}

static void tell(struct send_message *message, struct queue_answer const *answer)
{
    if (message->answer)
        *message->answer = *answer;
    else
        queue_operate_log(&message->request, answer);
}

void send_operate_on_gone(struct send *send, struct send_message *message)
{
    struct queue_answer answer;
    queue_answer_set(&answer, message->id, QUEUE_GONE, "", 0);
    queue_asked_forget(send->queue, message->id);
    tell(message, &answer);
}

void send_operate_on_left(struct send *send, struct send_message *message, bool marked)
{
    struct queue_answer answer;
    struct queue_request *const request = &message->request;
    if (!marked && request->operation != QUEUE_DROP)
        return; /* it stays active (queue/send_finish.c), or its next scheduler knows */
    request->unsure = message->unanswered;
    operate_on_file(send, request, &answer);
    if (answer.outcome == QUEUE_FAILED) {
        send_source_keep(&send->source, message->place);
        send_source_soon(&send->source, send_clock());
    }
    tell(message, &answer);
}

/* There is a line only of what waited for deliveries, and how these ended is not known. */
static void operate_on_asked(struct send *send, char const *id)
{
    struct queue_request request;
    struct queue_answer answer;
    if (!queue_asked_read(send->queue, id, &request)) {
        queue_asked_forget(send->queue, id);
        return;
    }
    request.unsure = true;
    operate_on_file(send, &request, &answer);
    queue_operate_log(&request, &answer);
}

void send_operate_on_asked(struct send *send)
{
    struct send_folder folder;
    char id[QUEUE_ID_LENGTH + 1];
    enum send_folder_result result;
    if (!send_folder_open(&folder, send->queue, SEND_PLACE_ASKED)) {
        log_failure("folder-not-read", QUEUE_ASKED_FOLDER, errno);
        return;
    }
    do {
        result = send_folder_next(&folder, &send->source.odd, id);
        if (result == SEND_FOLDER_FILE)
            operate_on_asked(send, id);
    } while (result == SEND_FOLDER_FILE || result == SEND_FOLDER_OTHER);
    if (result == SEND_FOLDER_ERROR)
        log_failure("folder-not-read", QUEUE_ASKED_FOLDER, errno);
}
