#include "queue/send_operate.h"

#include "queue/queue_operate.h"
#include "queue/send_dispatch.h"
#include "queue/send_finish.h"
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

/* What was asked before and waits still is replaced: the last word counts. */
static void operate_on_active(struct send *send, struct send_message *message,
                              struct queue_request const *request, struct queue_answer *answer)
{
    bool const trying = request->operation == QUEUE_RETRY || request->operation == QUEUE_RELEASE;
    if (trying && !message->request.operation) {
        bool const retry = request->operation == QUEUE_RETRY;
        queue_answer_set(answer, request->id, retry ? QUEUE_DONE : QUEUE_NOTHING,
                         retry ? "" : "is not held", 0);
        return;
    }
    queue_answer_set(answer, request->id, QUEUE_WAITS, "", 0);
    message->request = *request;
    message->request.place = message->place;
    if (trying)
        message->request.operation = QUEUE_RETRY;
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

void send_operate_on_gone(struct send_message *message)
{
    struct queue_answer answer;
    queue_answer_set(&answer, message->id, QUEUE_GONE, "", 0);
    tell(message, &answer);
}

void send_operate_on_left(struct send *send, struct send_message *message, bool marked)
{
    struct queue_answer answer;
    struct queue_request const *const request = &message->request;
    if (request->operation == QUEUE_BOUNCE && (!marked || message->unanswered))
        queue_answer_set(&answer, message->id, QUEUE_FAILED,
                         marked ? "a delivery has ended without a result; ask again"
                                : "what was delivered cannot be marked; ask again",
                         0);
    else
        operate_on_file(send, request, &answer);
    if (answer.outcome == QUEUE_FAILED) {
        send_source_keep(&send->source, message->place);
        send_source_soon(&send->source, send_clock());
    }
    tell(message, &answer);
}
