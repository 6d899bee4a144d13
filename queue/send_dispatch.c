#include "queue/send_dispatch.h"

#include <string.h>

#include "lib/log.h"
#include "queue/send_finish.h"

#define RECIPIENTS_A_TURN 128

static bool has_room(struct send const *send)
{
    return send_jobs_count(&send->jobs) < send->settings.local;
}

/* The living agent of this kind that has the least to do; agent_count when there is none. */
static unsigned int least_loaded(struct send const *send, enum send_agent_kind kind)
{
    unsigned int best = send->agent_count;
    for (unsigned int i = 0; i < send->agent_count; i++) {
        struct send_agent const *const agent = send->agents + i;
        if (agent->alive && agent->kind == kind &&
            (best == send->agent_count || agent->in_flight < send->agents[best].in_flight))
            best = i;
    }
    return best;
}

/* False when the job could not be handed over now. */
static bool deliver_local(struct send *send, struct send_message *message, uint32_t index,
                          struct route const *route)
{
    unsigned int const agent = least_loaded(send, SEND_AGENT_LOCAL);
    if (agent == send->agent_count || !has_room(send))
        return false;
    struct send_job *const noted = send_jobs_add(&send->jobs, message, index, agent);
    struct job const job = {.number = noted->number,
                            .kind = JOB_MAILBOX,
                            .target = route->mailbox,
                            .extension = route->extension,
                            .recipient = message->content.recipients[index].address,
                            .sender = message->content.sender,
                            .offset = message->content.message_offset,
                            .length = message->content.message_length,
                            .sum = message->content.message_sum,
                            .body_8bit = message->content.body_8bit,
                            .smtputf8 = message->content.smtputf8};
    if (!send_agent_put(send->agents + agent, &job, message->descriptor)) {
        send_jobs_remove(&send->jobs, noted);
        return false;
    }
    message->in_flight++;
    return true;
}

/* Routing is decided here, at each try, and never kept in the queue: a corrected control file helps
 * mail that waits already. False when the recipient has to wait for room. */
static bool hand_out(struct send *send, struct send_message *message, uint32_t index)
{
    struct queue_recipient const *const recipient = message->content.recipients + index;
    struct route route;
    routing_find(&send->settings.routing, recipient->address, recipient->length, &route);
    switch (route.kind) {
    case ROUTE_MAILBOX:
        return deliver_local(send, message, index, &route);
    case ROUTE_UNKNOWN:
        send_finish_result(send, message, index, JOB_FAILED, "5.1.1 no such mailbox here");
        break;
    case ROUTE_SYSTEM:
    case ROUTE_ALIAS:
    case ROUTE_REMOTE:
        send_finish_result(send, message, index, JOB_DEFERRED,
                           "4.4.0 no remote delivery agent in this version");
        break;
    }
    return true;
}

static void skip_settled(struct send_message *message)
{
    struct queue_message const *const content = &message->content;
    while (message->next < content->recipient_count &&
           content->recipients[message->next].mark != ENVELOPE_TODO)
        message->next++;
}

bool send_dispatch_turn(struct send *send)
{
    for (unsigned int handed = 0; handed < RECIPIENTS_A_TURN; handed++) {
        struct send_message *const message = send->active.waiting;
        if (!message)
            return false;
        if (message->corrupt || message->left)
            message->next = message->content.recipient_count;
        skip_settled(message);
        if (message->next < message->content.recipient_count) {
            if (!hand_out(send, message, message->next))
                return false;
            message->next++;
            skip_settled(message);
        }
        send_active_pop_waiting(&send->active);
        if (message->next < message->content.recipient_count)
            send_active_push_waiting(&send->active, message);
        else
            send_active_touch(&send->active, message);
    }
    return true;
}

bool send_dispatch_answers(struct send *send, unsigned int agent)
{
    struct job_answer answer;
    for (;;) {
        switch (send_agent_receive(send->agents + agent, &answer)) {
        case SEND_AGENT_NONE:
            return true;
        case SEND_AGENT_GONE:
            return false;
        case SEND_AGENT_ANSWER:
            break;
        }
        struct send_job *const job = send_jobs_find(&send->jobs, answer.number, agent);
        if (!job) {
            log_failure("agent-answer", "the number of no delivery that this agent has", 0);
            return false;
        }
        job->message->in_flight--;
        send->agents[agent].in_flight--;
        send_finish_result(send, job->message, job->recipient, answer.result, answer.text);
        send_jobs_remove(&send->jobs, job);
    }
}

void send_dispatch_lost(struct send *send, unsigned int agent)
{
    for (unsigned int place = 0; place < SEND_JOBS_MAX; place++) {
        struct send_job *const job = send->jobs.jobs + place;
        if (!job->message || job->agent != agent)
            continue;
        job->message->left = true;
        job->message->in_flight--;
        send_active_touch(&send->active, job->message);
        send_jobs_remove(&send->jobs, job);
    }
    send->agents[agent].in_flight = 0;
}

void send_dispatch_stop(struct send *send)
{
    struct send_message *message;
    while ((message = send_active_pop_waiting(&send->active))) {
        message->left = true;
        message->next = message->content.recipient_count;
        send_active_touch(&send->active, message);
    }
}
