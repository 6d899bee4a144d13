/* The remote lane: all recipients of a message with one destination in one transaction. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <skalibs/types.h>

#include "deliver/job.h"
#include "deliver/remote_job.h"
#include "lib/smtproutes.h"
#include "queue/send_result.h"
#include "queue/send_rewrite.h"
#include "queue/send_step.h"
#include "queue/send_waiting.h"
#include "queue/verp.h"

#define AGO_SIZE 32

bool send_remote_has_room(struct send const *send)
{
    return send->transactions.count < send->settings.remote;
}

enum found {
    FOUND_REMOTE,  /* *route says where to */
    FOUND_LOCAL,   /* of the other lane */
    FOUND_NOWHERE, /* the address has no domain that can be looked up */
};

static enum found find(struct send const *send, char const *sender,
                       struct queue_recipient const *recipient, struct smtproute *destination)
{
    struct route route;
    if (send_rewrite_is(send, recipient->address, recipient->length))
        return FOUND_LOCAL;
    routing_find(&send->settings.routing, recipient->address, recipient->length, &route);
    if (route.kind != ROUTE_REMOTE)
        return FOUND_LOCAL;
    char const *const at = memrchr(recipient->address, '@', recipient->length);
    if (!at)
        return FOUND_NOWHERE;
    size_t const length = (size_t)(recipient->address + recipient->length - (at + 1));
    return smtproutes_find(&send->settings.routes, at + 1, length, sender, destination)
               ? FOUND_REMOTE
               : FOUND_NOWHERE;
}

/* By whom a message goes that may have an entry for its sender in smtproutes. A sender that stands
 * for one of each recipient's own counts as the owner: so all of them go one way. */
static char const *find_sender(struct send_message const *message, char owner[VERP_SIZE])
{
    return verp_owner(owner, message->content.sender);
}

/* Looks at the recipients that follow, and puts the remote ones into the window. */
static void fill(struct send *send, struct send_message *message, unsigned int *budget)
{
    char owner[VERP_SIZE];
    char const *const sender = find_sender(message, owner);
    struct send_window *const window = &message->window;
    uint32_t *const next = message->next + SEND_LANE_REMOTE;
    char const *const obstacle = send_rewrite_obstacle(send, &message->content);
    send_window_open(window);
    for (; *next < message->content.recipient_count && send_window_room(window); ++*next) {
        struct smtproute route;
        if (send_message_is_handed(message, *next))
            continue;
        if (*budget == 0)
            break;
        --*budget;
        switch (find(send, sender, message->content.recipients + *next, &route)) {
        case FOUND_LOCAL:
            break;
        case FOUND_NOWHERE:
            send_message_set_handed(message, *next, true);
            send_result(send, message, *next, JOB_FAILED,
                        "5.1.3 the address has no domain that mail can be sent to");
            break;
        case FOUND_REMOTE:
            if (obstacle) {
                send_message_set_handed(message, *next, true);
                send_result(send, message, *next, JOB_DEFERRED, obstacle);
                break;
            }
            send_window_add(window, smtproutes_sum(&route, send->destinations_key), *next);
        }
    }
    send_window_close(window);
}

/* GROUP's line at its destination, which has the limits of the settings of now. */
static struct send_line *line_of(struct send *send, struct send_message const *message,
                                 uint32_t group, uint64_t now)
{
    struct send_line *const line = send_waiting_line(
        &send->destinations, message, message->window.groups[group].destination, now);
    struct send_destination *const destination = line->destination;
    char owner[VERP_SIZE];
    struct smtproute route;
    uint32_t const index = send_window_first(&message->window, group);
    if (destination->serial == send->settings_serial || destination == &send->destinations.shared ||
        find(send, find_sender(message, owner), message->content.recipients + index, &route) !=
            FOUND_REMOTE)
        return line;
    struct send_limits const limits = send_limits_find(&send->settings.limits, &route);
    send_destination_set(destination, send->settings_serial, route.hosts, &limits,
                         route.auth[0] ? 1 : SEND_DESTINATION_START);
    return line;
}

/* Bytes of the recipients in a job: with what else it holds it stays below SEND_AGENT_BYTES_MAX. */
#define RECIPIENTS_BYTES_MAX                                                                       \
    (SEND_AGENT_BYTES_MAX - (JOB_ADDRESS_MAX + 1) - sizeof(struct smtproute) - 256)

/* Puts those recipients of GROUP into JOB that go where its first one goes: all, but for two
 * destinations with one hash, and but for the bounds on a job. Only one where each has a sender of
 * his own. They count as handed out. */
static void gather(struct send *send, struct send_message *message, uint32_t group,
                   struct remote_job *job, uint32_t indexes[REMOTE_JOB_RECIPIENTS_MAX])
{
    char owner[VERP_SIZE];
    char const *const sender = find_sender(message, owner);
    size_t bytes = 0;
    unsigned int const most = verp_is(job->sender) ? 1 : REMOTE_JOB_RECIPIENTS_MAX;
    for (bool more = true; more && job->count < most;) {
        uint32_t const index = send_window_first(&message->window, group);
        struct queue_recipient const *const recipient = message->content.recipients + index;
        char const *const orcpt = queue_recipient_orcpt(recipient);
        bytes += UINT64_FMT + (size_t)recipient->length + 2 + DSN_LETTERS_MAX + 2 +
                 (orcpt ? strlen(orcpt) + 2 : 0);
        if (bytes > RECIPIENTS_BYTES_MAX)
            break;
        struct smtproute route;
        /* The window is of these settings, so it is as remote as it was then. */
        if (find(send, sender, recipient, &route) != FOUND_REMOTE)
            break;
        if (job->count == 0)
            job->route = route;
        else if (!smtproutes_are_same(&job->route, &route))
            break;
        indexes[job->count] = index;
        job->recipients[job->count++] = (struct remote_job_recipient){
            .address = recipient->address, .dsn = {recipient->notify, orcpt}};
        send_message_set_handed(message, index, true);
        more = send_window_take(&message->window, group);
    }
}

/* False when out of memory. */
static bool put(struct send *send, struct send_message *message, struct remote_job *job,
                uint32_t const *indexes, struct send_line *line, uint64_t now)
{
    struct send_job *noted[REMOTE_JOB_RECIPIENTS_MAX];
    stralloc bytes = STRALLOC_ZERO;
    unsigned int const agent =
        send_agent_least_loaded(send->agents, send->agent_count, SEND_AGENT_REMOTE);
    if (agent == send->agent_count)
        return false;
    for (unsigned int i = 0; i < job->count; i++) {
        noted[i] = send_jobs_add(&send->jobs, message, indexes[i], agent);
        job->recipients[i].number = noted[i]->number;
    }
    bool const done =
        remote_job_format(&bytes, job) &&
        send_agent_put(send->agents + agent, &bytes, job->count, &message->descriptor, 1);
    stralloc_free(&bytes);
    if (done)
        send_destination_begin(&send->destinations, line, now);
    unsigned int const transaction =
        done ? send_transactions_begin(&send->transactions, line, job->count) : 0;
    for (unsigned int i = 0; i < job->count; i++) {
        noted[i]->transaction = transaction;
        if (!done)
            send_jobs_remove(&send->jobs, noted[i]);
    }
    if (done)
        message->in_flight += job->count;
    return done;
}

static enum send_step hand_out(struct send *send, struct send_message *message, uint32_t group,
                               uint64_t now)
{
    uint32_t indexes[REMOTE_JOB_RECIPIENTS_MAX];
    char sender[VERP_SIZE], rewritten[SEND_REWRITE_SIZE];
    struct queue_message const *const content = &message->content;
    struct send_line *const line = line_of(send, message, group, now);
    struct remote_job job = {.sender = content->sender,
                             .body_8bit = content->body_8bit,
                             .smtputf8 = content->smtputf8,
                             .dsn = {content->envid, content->return_wish},
                             .offset = content->message_offset,
                             .length = content->message_length,
                             .sum = content->message_sum};
    gather(send, message, group, &job, indexes);
    if (job.count == 1)
        job.sender = verp_sender(sender, content->sender, job.recipients[0].address);
    job.sender = send_rewrite_sender(rewritten, send, content, job.sender, &job.route);
    if (put(send, message, &job, indexes, line, now))
        return SEND_STEP_MORE;
    /* They are looked at once more. */
    for (unsigned int i = 0; i < job.count; i++)
        send_message_set_handed(message, indexes[i], false);
    message->next[SEND_LANE_REMOTE] =
        send_window_drop(&message->window, indexes[0] < message->next[SEND_LANE_REMOTE]
                                               ? indexes[0]
                                               : message->next[SEND_LANE_REMOTE]);
    return SEND_STEP_FAILED;
}

/* The first group whose destination is ready, or dead (*state); group_count: none. */
static uint32_t choose(struct send *send, struct send_message const *message, uint64_t now,
                       enum send_destination_state *state)
{
    uint32_t group = 0;
    for (; group < message->window.group_count; group++) {
        struct send_line const *const line = line_of(send, message, group, now);
        *state = send_destination_state(&send->destinations, line, send->settings.remote, now);
        if (*state != SEND_DESTINATION_FULL)
            break;
    }
    return group;
}

/* How long ago, in words. */
static void say_ago(char text[AGO_SIZE], uint64_t seconds)
{
    uint64_t const minutes = seconds / 60;
    if (minutes)
        snprintf(text, AGO_SIZE, "%" PRIu64 " minute%s", minutes, minutes == 1 ? "" : "s");
    else
        snprintf(text, AGO_SIZE, "%" PRIu64 " second%s", seconds, seconds == 1 ? "" : "s");
}

/* Puts the recipients of GROUP off without a try: their destination was tried a while ago. That is
 * the last try of a message whose lifetime was over already then. */
static enum send_step put_off(struct send *send, struct send_message *message, uint32_t group,
                              uint64_t now, unsigned int *budget)
{
    char text[JOB_TEXT_MAX + 1], ago[AGO_SIZE];
    struct send_destination const *const destination =
        line_of(send, message, group, now)->destination;
    uint64_t const seconds = (now - destination->failed_at) / 1000;
    say_ago(ago, seconds);
    snprintf(text, sizeof text, "4.4.1 not tried: %s was not reachable %s ago: %s",
             destination->name, ago, destination->words);
    for (bool more = true; more && *budget; --*budget) {
        uint32_t const index = send_window_first(&message->window, group);
        send_message_set_handed(message, index, true);
        send_result_untried(send, message, index, seconds, text);
        more = send_window_take(&message->window, group);
    }
    return SEND_STEP_MORE;
}

enum send_step send_remote_step(struct send *send, struct send_message *message,
                                unsigned int *budget)
{
    struct send_window *const window = &message->window;
    uint32_t *const next = message->next + SEND_LANE_REMOTE;
    uint32_t const count = message->content.recipient_count;
    uint64_t const now = send_clock_milliseconds();
    enum send_destination_state state;
    if (!send_window_reserve(window, count - *next))
        return SEND_STEP_FAILED;
    if (window->serial != send->settings_serial) {
        *next = send_window_drop(window, *next);
        window->serial = send->settings_serial;
    }
    uint32_t group = choose(send, message, now, &state);
    if (group == window->group_count && *next < count && send_window_room(window)) {
        fill(send, message, budget);
        group = choose(send, message, now, &state);
    }
    if (group < window->group_count)
        return state == SEND_DESTINATION_DEAD ? put_off(send, message, group, now, budget)
                                              : hand_out(send, message, group, now);
    if (*next < count && send_window_room(window))
        return SEND_STEP_MORE;
    return window->group_count ? SEND_STEP_BLOCKED : SEND_STEP_ENDED;
}
