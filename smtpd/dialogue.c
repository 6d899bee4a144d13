#include "smtpd/dialogue.h"

#include <stdio.h>

#include "smtpd/local_rules.h"
#include "smtpd/message.h"
#include "smtpd/session.h"
#include "smtpd/starttls.h"
#include "smtpd/verbs.h"

/* Static rather than on the stack: 160 KiB of zero pages that only cost what is used of them; its
 * small members share the first. */
static _Alignas(4096) struct session session;

static void refuse_connection(void)
{
    if (session.connection->refusal == CONNECTION_TOO_MANY_FROM_HERE)
        session_answer_text(&session, 421, "4.7.0",
                            "too many connections from your address, please try again later");
    else
        session_answer_text(&session, 421, "4.3.2", "this server is busy, please try again later");
    session.end = SESSION_REFUSED;
}

/* RFC 5321 3.1: it may still say QUIT. */
static void ban(char const *rule)
{
    snprintf(session.banned, sizeof session.banned, "%s", rule);
}

/* What a rule before the greeting has DECIDED. False: the client is turned away. */
static bool may_be_greeted(enum stream_result waited, struct finding const *decided)
{
    if (waited == STREAM_STOPPED || waited == STREAM_EXPIRED) {
        session.end = session_end_of(waited);
        return false;
    }
    if (decided->verdict == FINDING_NOTHING)
        return true;
    session_refuse_finding(&session, decided, 0);
    ban(decided->rule);
    return false;
}

/* Name servers are asked while the client has to wait. */
static bool judge_client(void)
{
    struct finding decided;
    judgement_connect(&session.judgement);
    enum stream_result waited = judgement_connection(&session.judgement, &decided);
    if (!may_be_greeted(waited, &decided))
        return false;
    waited = local_rules_greet(&session.judgement, &decided);
    return may_be_greeted(waited, &decided);
}

static void greet(void)
{
    struct reply reply;
    if (session.connection->refusal != CONNECTION_WELCOME) {
        refuse_connection();
        return;
    }
    enum policy_rule rule = policy_connect(session.connection);
    if (!policy_accepts(rule)) {
        ban(policy_name(rule));
        session_refuse_rule(&session, rule, 0);
        return;
    }
    if (!judge_client())
        return;
    reply_make(&reply, 220, 0, session.settings->greeting);
    reply_add(&reply, " ESMTP");
    session_answer(&session, &reply);
}

static void refuse_line(enum input_result result, char const *line, size_t length)
{
    struct command command;
    static char const *const texts[] = {
        [INPUT_BARE_CR] = "a bare CR stands in the command; lines end in CRLF (RFC 5321 2.3.8)",
        [INPUT_BARE_LF] = "a bare LF stands in the command; lines end in CRLF (RFC 5321 2.3.8)",
        [INPUT_NUL] = "a NUL stands in the command",
        [INPUT_TOO_LONG] = "the line is too long",
    };
    session.commands++;
    command_parse(&command, line, length);
    /* RFC 4954 6 has 5.5.6 for a long answer. */
    session_refuse_text(
        &session, 500, result == INPUT_TOO_LONG && command.name == COMMAND_AUTH ? "5.5.6" : "5.5.2",
        texts[result], "line");
    if (command.name == COMMAND_BDAT && session.end == SESSION_GOES_ON)
        session.end = SESSION_FOREIGN; /* its octets may follow, and are not commands */
}

/* One line: read, parsed, run, answered. */
static void run_line(void)
{
    enum stream_result ended = STREAM_OK;
    struct command command;
    char const *line;
    size_t length;
    enum input_result result = input_next(&session.input, &line, &length, &ended);
    switch (result) {
    case INPUT_LINE:
        command_parse(&command, line, length);
        verbs_run(&session, &command);
        break;
    case INPUT_FOREIGN:
        command = (struct command){.name = COMMAND_FOREIGN, .argument = ""};
        verbs_run(&session, &command);
        session.end = SESSION_FOREIGN; /* also for one that badclients bans */
        break;
    case INPUT_STREAM:
        session.end = session_end_of(ended);
        break;
    case INPUT_BARE_CR:
    case INPUT_BARE_LF:
    case INPUT_NUL:
    case INPUT_TOO_LONG:
        refuse_line(result, line, length);
        break;
    }
}

/* The last words, where the end is not the client's own. */
static void say_end(void)
{
    static struct {
        char const *status, *text;
    } const words[] = {
        [SESSION_TIMEOUT] = {"4.4.2", "you were silent for too long; good bye"},
        [SESSION_EXPIRED] = {"4.4.2", "this session has taken too long; good bye"},
        [SESSION_STOPPED] = {"4.3.2", "this server is going down, please try again later"},
        [SESSION_ERRORS] = {"4.7.0", "too many errors; good bye"},
        [SESSION_IDLE] = {"4.7.0", "too many commands without a message; good bye"},
        [SESSION_LOGINS] = {"4.7.0", "too many failed logins; good bye"},
    };
    if (session.end < sizeof words / sizeof *words && words[session.end].status)
        session_answer_text(&session, 421, words[session.end].status, words[session.end].text);
}

int dialogue_run(struct connection const *connection)
{
    session.connection = connection;
    session.settings = connection->settings;
    session.end = SESSION_GOES_ON;
    session.banned[0] = 0;
    session.greeted = session.extended = false;
    session.commands = session.errors_in_all = session.accepted = 0;
    session.errors = session.idle = 0;
    session.login[0] = 0;
    starttls_start(&session);
    session.login_failures = 0;
    session.helo_length = 0;
    session.transaction = (struct transaction)TRANSACTION_ZERO;
    session.arrival.stage = ARRIVAL_NONE;
    stream_start(&session.stream, connection);
    input_start(&session.input, &session.stream, command_limit);
    submit_start(&session.submit, connection);
    spf_identities_start(&session.spf, &session.stream);
    judgement_start(&session.judgement, &session.stream, &session.spf);
    session.unknown = 0;
    session.right = POLICY_WELCOME;

    if (starttls_begin(&session))
        greet();
    while (session.end == SESSION_GOES_ON) {
        if (*connection->stop)
            session.end = SESSION_STOPPED;
        else
            run_line();
    }
    say_end();
    message_forget(&session);
    submit_end(&session.submit);
    spf_identities_end(&session.spf);
    judgement_end(&session.judgement);
    if (session.end == SESSION_ERRORS || session.end == SESSION_IDLE ||
        session.end == SESSION_LOGINS || session.end == SESSION_FOREIGN ||
        session.end == SESSION_RULE)
        stream_linger(&session.stream);
    else
        stream_end(&session.stream);
    session_log_end(&session);
    return 0;
}
