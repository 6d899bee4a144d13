#include "smtpd/policy_ask.h"

#include <stdio.h>
#include <string.h>

/* The last refusal. A process has one session. */
static struct {
    enum policy_rule rule;
    char place[FINDING_PLACE_MAX + 1];
} refusal;

char const *policy_place(enum policy_rule rule)
{
    return refusal.rule == rule ? refusal.place : "";
}

static void tell(struct trace const *trace, enum policy_rule rule, bool fires, char const *place)
{
    struct finding finding;
    struct reply reply;
    bool const right = policy_accepts(rule);
    if (!fires) {
        finding_make(&finding, FINDING_NOTHING, policy_name(rule), place);
    } else if (right) {
        finding_make(&finding, FINDING_ALLOW, policy_name(rule), place);
    } else {
        policy_reply(rule, &reply);
        finding_make(&finding, reply.number < 500 ? FINDING_DEFER : FINDING_REFUSE,
                     policy_name(rule), place);
        finding_reply(&finding, reply.number, reply.status, reply.text);
    }
    trace_rule(trace, &finding);
}

static bool ask(struct connection const *connection, enum policy_rule rule, bool fires,
                char const *file, unsigned int line)
{
    char place[FINDING_PLACE_MAX + 1];
    bool const refuses = fires && !policy_accepts(rule);
    if (!refuses && !connection->trace)
        return fires;
    snprintf(place, sizeof place, line ? "%s:%u" : "%s", file, line);
    if (connection->trace)
        tell(connection->trace, rule, fires, place);
    if (refuses) {
        refusal.rule = rule;
        memcpy(refusal.place, place, sizeof place);
    }
    return fires;
}

bool policy_ask(struct connection const *connection, enum policy_rule rule, bool fires)
{
    return ask(connection, rule, fires, "", 0);
}

bool policy_ask_line(struct connection const *connection, enum policy_rule rule, bool fires,
                     unsigned int line)
{
    return ask(connection, rule, fires, policy_name(rule), line);
}

bool policy_ask_networks(struct connection const *connection, enum policy_rule rule,
                         struct networks const *networks)
{
    struct network const *const entry =
        connection->has_remote ? networks_find(networks, &connection->remote) : 0;
    return policy_ask_line(connection, rule, entry && !entry->excluded, entry ? entry->number : 0);
}
