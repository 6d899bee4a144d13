/* The local lane: mailboxes and aliases by ekiden-local, system users by ekiden-launch. The two
 * share their places: what hangs in one user's program is a local delivery like any other. */
#include <string.h>

#include "queue/send_result.h"
#include "queue/send_rewrite.h"
#include "queue/send_step.h"
#include "queue/verp.h"

bool send_local_has_room(struct send const *send)
{
    return send_agent_in_flight(send->agents, send->agent_count, SEND_AGENT_LOCAL) +
               send_agent_in_flight(send->agents, send->agent_count, SEND_AGENT_LAUNCH) <
           send->settings.local;
}

/* False when out of memory. */
static bool hand_out(struct send *send, struct send_message *message, uint32_t index,
                     enum send_agent_kind kind, struct job *job)
{
    stralloc bytes = STRALLOC_ZERO;
    unsigned int const agent = send_agent_least_loaded(send->agents, send->agent_count, kind);
    if (agent == send->agent_count)
        return false;
    struct send_job *const noted = send_jobs_add(&send->jobs, message, index, agent);
    job->number = noted->number;
    bool const put = job_format(&bytes, job) &&
                     send_agent_put(send->agents + agent, &bytes, 1, &message->descriptor, 1);
    stralloc_free(&bytes);
    if (!put) {
        send_jobs_remove(&send->jobs, noted);
        return false;
    }
    send_message_set_handed(message, index, true);
    message->in_flight++;
    return true;
}

/* A name without a domain is one of ours (lib/routing.h). Agents get it whole: it stands in fields
 * of the message, and a list's owner is an address made of it. NULL when out of memory. */
static char const *complete(struct send const *send, struct queue_recipient const *recipient,
                            stralloc *whole)
{
    char const *const me = send->settings.routing.me;
    if (memchr(recipient->address, '@', recipient->length) ||
        recipient->length + 1 + strlen(me) > JOB_ADDRESS_MAX)
        return recipient->address;
    return stralloc_copyb(whole, recipient->address, recipient->length) &&
                   stralloc_catb(whole, "@", 1) && stralloc_cats(whole, me) && stralloc_0(whole)
               ? whole->s
               : NULL;
}

static bool deliver(struct send *send, struct send_message *message, uint32_t index,
                    struct route const *route)
{
    static stralloc whole = STRALLOC_ZERO; /* kept for the next one */
    static char targets[JOB_TARGET_MAX + 1], sender[VERP_SIZE];
    struct queue_message const *const content = &message->content;
    struct queue_recipient const *const recipient = content->recipients + index;
    struct job job = {.kind = JOB_MAILBOX,
                      .target = route->mailbox,
                      .extension = route->extension,
                      .recipient = complete(send, recipient, &whole),
                      .offset = content->message_offset,
                      .length = content->message_length,
                      .sum = content->message_sum,
                      .body_8bit = content->body_8bit,
                      .smtputf8 = content->smtputf8,
                      .dsn = {content->envid, content->return_wish},
                      .dsn_recipient = {recipient->notify, queue_recipient_orcpt(recipient)}};
    if (!job.recipient)
        return false;
    job.sender = verp_sender(sender, content->sender, job.recipient);
    if (route->kind == ROUTE_SYSTEM) {
        job.kind = JOB_SYSTEM;
    } else if (route->kind == ROUTE_ALIAS) {
        if (route->targets_length >= sizeof targets) {
            send_result(send, message, index, JOB_DEFERRED,
                        "4.3.5 the alias has more targets than one delivery can have");
            return true;
        }
        memcpy(targets, route->targets, route->targets_length);
        targets[route->targets_length] = 0;
        job.kind = JOB_ALIAS;
        job.target = targets;
        job.extension = route->owner;
    }
    return hand_out(send, message, index,
                    route->kind == ROUTE_SYSTEM ? SEND_AGENT_LAUNCH : SEND_AGENT_LOCAL, &job);
}

/* As routing_find; an address that stands for a sender is an alias of his, made in ORIGINAL. False:
 * it has its result. */
static bool find_route(struct send *send, struct send_message *message, uint32_t index,
                       struct route *route, char original[SEND_REWRITE_SIZE])
{
    struct queue_recipient const *const recipient = message->content.recipients + index;
    switch (send_rewrite_look(original, send, recipient->address, recipient->length)) {
    case SEND_REWRITE_NONE:
        routing_find(&send->settings.routing, recipient->address, recipient->length, route);
        if (route->kind != ROUTE_UNKNOWN)
            return true;
        send_message_set_handed(message, index, true);
        send_result(send, message, index, JOB_FAILED, "5.1.1 no such mailbox here");
        return false;
    case SEND_REWRITE_ORIGINAL:
        *route = (struct route){
            .kind = ROUTE_ALIAS, .targets = original, .targets_length = strlen(original)};
        return true;
    case SEND_REWRITE_INVALID:
        send_message_set_handed(message, index, true);
        send_result(send, message, index, JOB_FAILED,
                    "5.7.1 this is no sender that we have rewritten, or it has expired");
        return false;
    case SEND_REWRITE_UNKNOWN:
        break;
    }
    send_message_set_handed(message, index, true);
    send_result(send, message, index, JOB_DEFERRED, send_rewrite_srs_unusable);
    return false;
}

enum send_step send_local_step(struct send *send, struct send_message *message,
                               unsigned int *budget)
{
    uint32_t *const next = message->next + SEND_LANE_LOCAL;
    for (; *next < message->content.recipient_count; ++*next) {
        char original[SEND_REWRITE_SIZE];
        struct route route;
        if (send_message_is_handed(message, *next))
            continue;
        if (*budget == 0)
            return SEND_STEP_MORE;
        --*budget;
        if (!find_route(send, message, *next, &route, original) || route.kind == ROUTE_REMOTE)
            continue; /* done, or of the other lane */
        if (!send_local_has_room(send))
            return SEND_STEP_BLOCKED;
        if (!deliver(send, message, *next, &route))
            return SEND_STEP_FAILED;
        ++*next;
        return SEND_STEP_MORE;
    }
    return SEND_STEP_ENDED;
}
