#include "queue/send_dispatch.h"

#include "lib/log.h"
#include "queue/send_park.h"
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
static void pause_lane(struct send *send, enum send_lane lane)
{
    struct send_message *message;
    if (lane == SEND_LANE_REMOTE)
        send_park_call_all(send);
    while ((message = send_active_pop(&send->active, lane, true))) {
        message->is_paused = true;
        end_lane(send, message, lane);
    }
}

/* Those that have waited at their destinations go first, or new ones would take each place that
 * comes free. */
static struct send_message *next_of(struct send *send, enum send_lane lane)
{
    struct send_message *const called =
        lane == SEND_LANE_REMOTE ? send_park_call(send, send_clock_milliseconds()) : NULL;
    return called ? called : send_active_pop(&send->active, lane, lanes[lane].has_room(send));
}

static void park(struct send *send, struct send_message *message, enum send_lane lane)
{
    if (lane == SEND_LANE_REMOTE)
        send_park_remote(send, message, send_clock_milliseconds());
    else
        send_park_local(send, message);
}

/* Hands out as long as there are places and recipients. True when more could be done at once. */
static bool lane_turn(struct send *send, enum send_lane lane)
{
    struct send_active *const active = &send->active;
    unsigned int budget = RECIPIENTS_A_TURN;
    struct send_message *message;
    if (send->settings.paused[lanes[lane].pause]) {
        pause_lane(send, lane);
        return false;
    }
    while (budget && (message = next_of(send, lane))) {
        enum send_step const step = message->corrupt || message->left
                                        ? SEND_STEP_ENDED
                                        : lanes[lane].step(send, message, &budget);
        switch (step) {
        case SEND_STEP_MORE:
            send_active_push_waiting(active, lane, message);
            break;
        case SEND_STEP_BLOCKED:
            park(send, message, lane);
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
    send->dispatched_at = send_clock_milliseconds();
    bool const local = lane_turn(send, SEND_LANE_LOCAL);
    bool const remote = lane_turn(send, SEND_LANE_REMOTE);
    return local || remote;
}

static void log_destination(struct send_destination const *destination,
                            enum send_destination_change change)
{
    struct log_line line;
    if (change == SEND_DESTINATION_SAME)
        return;
    bool const died = change == SEND_DESTINATION_DIED;
    log_begin(&line, died ? "destination-dead" : "destination-back");
    log_text(&line, "destination", destination->name);
    if (destination->port)
        log_number(&line, "port", destination->port);
    if (died) {
        log_number(&line, "seconds", destination->dead_for / 1000);
        log_text(&line, "text", destination->words);
    }
    log_write(&line);
}

/* What a remote delivery tells of its destination, when it was the last of its transaction. */
static void judge(struct send *send, struct send_job const *job, struct job_answer const *answer)
{
    struct send_transaction const *const ended = send_transactions_answer(
        &send->transactions, job->transaction, answer ? &answer->result : NULL);
    if (ended)
        log_destination(ended->line->destination,
                        send_destination_end(&send->destinations, ended->line, ended->verdict,
                                             answer ? answer->text : "",
                                             send_clock_milliseconds()));
}

/* The job has ended, with ANSWER or without (NULL). */
static void end_job(struct send *send, struct send_job *job, struct job_answer const *answer)
{
    struct send_message *const message = job->message;
    if (send->agents[job->agent].kind == SEND_AGENT_REMOTE)
        judge(send, job, answer);
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
        end_job(send, job, &answer);
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
        end_job(send, job, NULL);
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
    send_park_leave(send, message);
    send_active_withdraw(&send->active, message);
    for (enum send_lane lane = 0; lane < SEND_LANES; lane++)
        if (!message->ended[lane])
            end_lane(send, message, lane);
    send_active_touch(&send->active, message);
}

void send_dispatch_stop(struct send *send)
{
    struct send_message *message;
    send_park_call_all(send);
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
