#include "queue/send_dispatch.h"

#include "lib/log.h"
#include "queue/send_report.h"
#include "queue/send_result.h"
#include "queue/send_step.h"

#define RECIPIENTS_A_TURN 1024
#define LOST_AGE          60 /* seconds: a younger message is tried again at once, some dozen times */

/* Of each lane, in the order of enum send_lane. */
static struct {
    enum send_step (*step)(struct send *, struct send_message *, unsigned int *);
    bool (*has_room)(struct send const *);
    enum paused_what pause;
} const lanes[SEND_LANES] = {{send_local_step, send_local_has_room, PAUSED_LOCAL},
                             {send_remote_step, send_remote_has_room, PAUSED_REMOTE}};

static void end_lane(struct send *send, struct send_message *message, enum send_lane lane)
{
    message->ended[lane] = true;
    if (lane == SEND_LANE_REMOTE)
        send_window_free(&message->window);
    send_active_reckon(&send->active, message);
    send_active_touch(&send->active, message);
}

/* A lane that is paused hands nothing out, and nothing waits in it: so however much mail there is,
 * the other lane has all the room. */
static void park(struct send *send, enum send_lane lane)
{
    struct send_message *message;
    if (lane == SEND_LANE_REMOTE)
        send_active_uncap(&send->active);
    while ((message = send_active_pop(&send->active, lane, true))) {
        message->parked = true;
        end_lane(send, message, lane);
    }
}

/* Hands out as long as there are places and recipients. True when more could be done at once. */
static bool lane_turn(struct send *send, enum send_lane lane)
{
    struct send_active *const active = &send->active;
    unsigned int budget = RECIPIENTS_A_TURN;
    struct send_message *message;
    if (send->settings.paused[lanes[lane].pause]) {
        park(send, lane);
        return false;
    }
    while (budget && (message = send_active_pop(active, lane, lanes[lane].has_room(send)))) {
        enum send_step const step = message->corrupt || message->left
                                        ? SEND_STEP_ENDED
                                        : lanes[lane].step(send, message, &budget);
        switch (step) {
        case SEND_STEP_MORE:
            send_active_push_waiting(active, lane, message);
            break;
        case SEND_STEP_BLOCKED:
            send_active_push_blocked(active, lane, message);
            break;
        case SEND_STEP_CAPPED:
            send_active_push_capped(active, message);
            break;
        case SEND_STEP_FAILED:
            send_active_push_blocked(active, lane, message);
            return false;
        case SEND_STEP_ENDED:
            end_lane(send, message, lane);
            break;
        }
    }
    return budget == 0;
}

bool send_dispatch_turn(struct send *send)
{
    bool const local = lane_turn(send, SEND_LANE_LOCAL);
    bool const remote = lane_turn(send, SEND_LANE_REMOTE);
    return local || remote;
}

/* The job has ended, with an answer or without. */
static void end_job(struct send *send, struct send_job *job)
{
    struct send_message *const message = job->message;
    if (send->agents[job->agent].kind == SEND_AGENT_REMOTE) {
        uint64_t const destination = send->transactions.table[job->transaction].destination;
        bool const capped =
            send_transactions_is_capped(&send->transactions, destination, send->settings.remote);
        if (send_transactions_answer(&send->transactions, job->transaction) && capped)
            send_active_uncap(&send->active);
    }
    send->agents[job->agent].in_flight--;
    message->in_flight--;
    send_jobs_remove(&send->jobs, job);
    send_active_reckon(&send->active, message);
    send_active_touch(&send->active, message);
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
        if (job->recipient == SEND_JOB_REPORT)
            send_report_answer(send, job->message, &answer);
        else
            send_result(send, job->message, job->recipient, answer.result, answer.text);
        end_job(send, job);
    }
}

static void lose_jobs(struct send *send, unsigned int agent, bool died)
{
    uint64_t const now = send_now();
    for (unsigned int place = 0; place < send->jobs.used; place++) {
        struct send_job *const job = send->jobs.jobs + place;
        struct send_message *const message = job->message;
        if (!message || job->agent != agent)
            continue;
        message->left = message->unanswered = true;
        if (died && send_schedule_is_expired(message->content.arrival, now, LOST_AGE)) {
            message->lost = true;
            if (job->recipient != SEND_JOB_REPORT)
                send_result(send, message, job->recipient, JOB_DEFERRED,
                            "4.3.0 the delivery agent ended in the middle of it");
        }
        end_job(send, job);
    }
}

/* Without this, a message that kills the agent is tried first after each restart, and stops
 * everybody's mail. */
void send_dispatch_died(struct send *send, unsigned int agent)
{
    lose_jobs(send, agent, true);
}

void send_dispatch_lost(struct send *send, unsigned int agent)
{
    lose_jobs(send, agent, false);
}

void send_dispatch_break(struct send *send, struct send_message *message)
{
    message->left = true;
    send_active_withdraw(&send->active, message);
    for (enum send_lane lane = 0; lane < SEND_LANES; lane++)
        if (!message->ended[lane])
            end_lane(send, message, lane);
    send_active_touch(&send->active, message);
}

void send_dispatch_stop(struct send *send)
{
    struct send_message *message;
    send_active_uncap(&send->active);
    for (enum send_lane lane = 0; lane < SEND_LANES; lane++)
        while ((message = send_active_pop(&send->active, lane, true))) {
            message->left = true;
            end_lane(send, message, lane);
        }
    while ((message = send_active_pop_report(&send->active))) {
        message->left = true;
        send_active_touch(&send->active, message);
    }
}
