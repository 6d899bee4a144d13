#include "smtpd/local_rules.h"

#include <poll.h>
#include <string.h>

#include <skalibs/bytestr.h>

#include "lib/clock.h"
#include "lib/ip.h"
#include "lib/routing.h"
#include "smtpd/policy.h"

/* What a rule answers. A client that does not keep to the protocol cannot be kept in step: behind
 * these numbers the session ends (421), or takes nothing more (554). */
static struct {
    unsigned int refused, deferred;
    char const *refused_status, *deferred_status, *text;
} const replies[CHECK_RULES] = {
    [CHECK_HELO_US] = {550, 450, "5.7.1", "4.7.1",
                       "this is our own name, and you are not this host"},
    [CHECK_HELO_SYNTAX] = {501, 450, "5.5.4", "4.5.4",
                           "please say your host's full name, or its address in brackets (RFC 5321 "
                           "4.1.2)"},
    [CHECK_EARLY_TALKER] = {554, 421, "5.5.1", "4.5.1",
                            "you spoke before you were greeted (RFC 5321 4.3.1)"},
    [CHECK_PIPELINING] =
        {554, 421, "5.5.1", "4.5.1",
         "you did not wait for an answer that has to be waited for (RFC 2920 3.1)"},
};

static struct connection const *connection_of(struct judgement const *judgement)
{
    return judgement->stream->connection;
}

static enum check_action action_of(struct judgement const *judgement, enum check_rule rule)
{
    return judgement->exempt ? CHECK_OFF
                             : connection_of(judgement)->settings->judge.checks.rules[rule].action;
}

/* RULE, which is on, was asked, and FIRES or not. The first objection stays in *decided. */
static void report(struct judgement *judgement, enum check_rule rule, bool fires,
                   struct finding *decided)
{
    char place[CHECKS_PLACE_SIZE];
    struct finding finding;
    struct checks const *const checks = &connection_of(judgement)->settings->judge.checks;
    enum check_action const action = fires ? checks->rules[rule].action : CHECK_OFF;
    static enum finding_verdict const verdicts[] = {[CHECK_OFF] = FINDING_NOTHING,
                                                    [CHECK_LOG] = FINDING_NOTE,
                                                    [CHECK_DEFER] = FINDING_DEFER,
                                                    [CHECK_REFUSE] = FINDING_REFUSE};
    bool const refuses = action == CHECK_REFUSE, defers = action == CHECK_DEFER;
    finding_make(&finding, verdicts[action], checks_name(rule), checks_place(place, checks, rule));
    if (fires)
        finding_reply(&finding,
                      refuses  ? replies[rule].refused
                      : defers ? replies[rule].deferred
                               : 0,
                      refuses  ? replies[rule].refused_status
                      : defers ? replies[rule].deferred_status
                               : NULL,
                      replies[rule].text);
    trace_rule(connection_of(judgement)->trace, &finding);
    judgement_note(judgement, &finding);
    if (decided->verdict == FINDING_NOTHING && (refuses || defers))
        *decided = finding;
}

/* --- before the greeting --- */

enum stream_result local_rules_greet(struct judgement *judgement, struct finding *decided)
{
    struct stream *const stream = judgement->stream;
    enum check_action const action = action_of(judgement, CHECK_EARLY_TALKER);
    int64_t const end =
        clock_milliseconds() + (int64_t)connection_of(judgement)->settings->greetdelay * 1000;
    int64_t left = judgement->exempt ? 0 : end - clock_milliseconds();
    bool early = false;
    enum stream_result waited = STREAM_OK;
    decided->verdict = FINDING_NOTHING;
    if (action != CHECK_OFF) {
        if (left > 0)
            waited = stream_wait(stream, stream->from, POLLIN, left);
        early = stream_peek(stream) == STREAM_OK;
        report(judgement, CHECK_EARLY_TALKER, early, decided);
        left = judgement->exempt ? 0 : end - clock_milliseconds();
    }
    if (waited != STREAM_STOPPED && waited != STREAM_EXPIRED)
        waited = left > 0 && decided->verdict == FINDING_NOTHING ? stream_pause(stream, left)
                                                                 : STREAM_OK;
    return waited;
}

/* --- what it says of itself --- */

static bool is_address(char const *name, size_t length)
{
    size_t i = length;
    while (i > 0 && name[i - 1] >= '0' && name[i - 1] <= '9')
        i--;
    return i < length && (i == 0 || name[i - 1] == '.');
}

/* A domain may be a single word. One whose last label is a number is an address that lacks its
 * brackets: no top-level domain is one. */
static bool is_well_formed(char const *name, size_t length)
{
    return name[0] == '[' ? address_is_literal(name, length)
                          : address_is_domain(name, length, false) && !is_address(name, length);
}

/* This host itself may say so. */
static bool is_us(struct connection const *connection)
{
    return ip_is_loopback(&connection->remote) ||
           ip_is_same(&connection->remote, &connection->local);
}

static bool is_our_name(struct connection const *connection, char const *name, size_t length)
{
    struct routing const *const routing = &connection->settings->routing;
    ip46 ip;
    length = address_rootless(name, length);
    if (address_literal_ip(name, length, &ip))
        return ip_is_same(&ip, &connection->local);
    return (length == strlen(routing->me) && !case_diffb(name, length, routing->me)) ||
           routing_is_local(routing, name, length);
}

void local_rules_hello(struct judgement *judgement, char const *name, size_t length,
                       struct finding *decided)
{
    struct connection const *const connection = connection_of(judgement);
    decided->verdict = FINDING_NOTHING;
    if (action_of(judgement, CHECK_HELO_SYNTAX) != CHECK_OFF)
        report(judgement, CHECK_HELO_SYNTAX, !is_well_formed(name, length), decided);
    if (action_of(judgement, CHECK_HELO_US) != CHECK_OFF && !is_us(connection))
        report(judgement, CHECK_HELO_US, is_our_name(connection, name, length), decided);
}

/* --- out of turn --- */

/* Behind these nothing may come before their answer; where PIPELINING was not offered, behind none.
 * Behind BDAT its octets come, STARTTLS has a rule of its own, and who says QUIT has said all. */
static bool has_to_wait(struct command const *command, bool extended)
{
    switch (command->name) {
    case COMMAND_HELO:
    case COMMAND_EHLO:
    case COMMAND_DATA:
        return true;
    case COMMAND_BDAT:
    case COMMAND_STARTTLS:
    case COMMAND_QUIT:
    case COMMAND_FOREIGN:
        return false;
    default:
        return !extended;
    }
}

void local_rules_pipelining(struct judgement *judgement, struct command const *command,
                            bool extended, struct finding *decided)
{
    decided->verdict = FINDING_NOTHING;
    if (action_of(judgement, CHECK_PIPELINING) != CHECK_OFF && has_to_wait(command, extended))
        report(judgement, CHECK_PIPELINING, stream_peek(judgement->stream) == STREAM_OK, decided);
}
