#include "smtpd/policy_ask.h"

#include <stdio.h>

static void tell(struct trace const *trace, enum policy_rule rule, bool fires, char const *place,
                 char const *key, size_t length)
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
    trace->rule(&finding, key, length);
}

bool policy_ask(struct connection const *connection, enum policy_rule rule, bool fires)
{
    if (connection->trace)
        tell(connection->trace, rule, fires, "", 0, 0);
    return fires;
}

bool policy_ask_key(struct connection const *connection, enum policy_rule rule, bool fires,
                    char const *key, size_t length)
{
    if (connection->trace)
        tell(connection->trace, rule, fires, policy_name(rule), key, length);
    return fires;
}

bool policy_ask_networks(struct connection const *connection, enum policy_rule rule,
                         struct networks const *networks)
{
    char place[FINDING_PLACE_MAX + 1];
    struct network const *const entry =
        connection->has_remote ? networks_find(networks, &connection->remote) : 0;
    bool const fires = entry && !entry->excluded;
    if (connection->trace) {
        snprintf(place, sizeof place, entry ? "%s:%u" : "%s", policy_name(rule),
                 entry ? entry->number : 0);
        tell(connection->trace, rule, fires, place, 0, 0);
    }
    return fires;
}
