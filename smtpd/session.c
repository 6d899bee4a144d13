#include "smtpd/session.h"

#include <string.h>

#include "queue/envelope.h"

#define ERRORS_WITHOUT_DELAY 10
#define DELAY_MILLISECONDS   1000
#define RECIPIENTS_LOGGED    3
#define IDLE_MAX             100

enum session_end session_end_of(enum stream_result result)
{
    static enum session_end const ends[] = {
        [STREAM_OK] = SESSION_GOES_ON,      [STREAM_END] = SESSION_CLOSED,
        [STREAM_LOST] = SESSION_LOST,       [STREAM_TIMEOUT] = SESSION_TIMEOUT,
        [STREAM_EXPIRED] = SESSION_EXPIRED, [STREAM_STOPPED] = SESSION_STOPPED,
    };
    return ends[result];
}

void session_answer(struct session *session, struct reply const *reply)
{
    reply_send(reply, &session->stream, false);
}

void session_answer_text(struct session *session, unsigned int number, char const *status,
                         char const *text)
{
    reply_send_text(&session->stream, number, status, text, false);
}

void session_log_client(struct session const *session, struct log_line *line)
{
    char text[IP46_FMT + 1];
    if (session->connection->has_remote) {
        text[ip46_fmt(text, &session->connection->remote)] = 0;
        log_text(line, "client", text);
    } else {
        log_text(line, "client", "local");
    }
    if (session->greeted)
        log_bytes(line, "helo", session->helo, session->helo_length);
    if (session->login[0])
        log_text(line, "login", session->login);
}

/* Only what belongs to an envelope is logged: a line that is no command of ours may be a password
 * or a message. */
static void log_argument(struct log_line *line, struct command const *command)
{
    static char const *const keys[] = {[COMMAND_HELO] = "helo_tried",
                                       [COMMAND_EHLO] = "helo_tried",
                                       [COMMAND_MAIL] = "mail",
                                       [COMMAND_RCPT] = "rcpt"};
    if (command && command->name < sizeof keys / sizeof *keys && keys[command->name])
        log_bytes(line, keys[command->name], command->argument, command->length);
}

static void log_refused(struct session const *session, struct reply const *reply, char const *rule,
                        char const *place, struct command const *command)
{
    struct log_line line;
    log_begin(&line, "refused");
    session_log_client(session, &line);
    log_number(&line, "reply", reply->number);
    if (reply->status)
        log_text(&line, "status", reply->status);
    log_text(&line, "rule", rule);
    if (place[0])
        log_text(&line, "place", place);
    judgement_log(&session->judgement, &line);
    if (session->transaction.open)
        log_bytes(&line, "from", transaction_sender(&session->transaction),
                  session->transaction.sender_length);
    log_argument(&line, command);
    log_write(&line);
}

void session_refuse_unlogged(struct session *session, struct reply const *reply)
{
    session->errors++;
    session->errors_in_all++;
    if (session->errors > ERRORS_WITHOUT_DELAY && stream_flush(&session->stream) &&
        stream_pause(&session->stream, DELAY_MILLISECONDS) == STREAM_STOPPED) {
        session->end = SESSION_STOPPED;
        return;
    }
    if (session->errors > session->settings->maxerrors)
        session->end = SESSION_ERRORS;
    else
        session_answer(session, reply);
}

/* By RULE, which stands at PLACE. */
static void refuse(struct session *session, struct reply const *reply, char const *rule,
                   char const *place, struct command const *command)
{
    log_refused(session, reply, rule, place, command);
    if (session->connection->trace)
        session->connection->trace->refusal(rule);
    session_refuse_unlogged(session, reply);
}

void session_refuse(struct session *session, struct reply const *reply, char const *rule,
                    struct command const *command)
{
    refuse(session, reply, rule, "", command);
}

void session_refuse_text(struct session *session, unsigned int number, char const *status,
                         char const *text, char const *rule)
{
    struct reply reply;
    reply_make(&reply, number, status, text);
    session_refuse(session, &reply, rule, 0);
}

bool session_passes(struct session *session, enum stream_result waited,
                    struct finding const *decided, struct command const *command)
{
    if (waited != STREAM_OK)
        session->end = session_end_of(waited);
    else if (decided->verdict == FINDING_NOTHING)
        return true;
    else
        session_refuse_finding(session, decided, command);
    return false;
}

void session_refuse_order(struct session *session, char const *text)
{
    session_refuse_text(session, 503, "5.5.1", text, "order");
}

void session_refuse_rule(struct session *session, enum policy_rule rule,
                         struct command const *command)
{
    struct reply reply;
    policy_reply(rule, &reply);
    refuse(session, &reply, policy_name(rule), policy_place(rule), command);
}

void session_refuse_finding(struct session *session, struct finding const *finding,
                            struct command const *command)
{
    struct reply reply;
    reply_make(&reply, finding->number, finding->status, finding->text);
    if (!strstr(finding->text, finding->rule)) {
        reply_add(&reply, " (");
        reply_add(&reply, finding->rule);
        reply_add(&reply, ")");
    }
    refuse(session, &reply, finding->rule, finding->place, command);
    if (finding->number == 421 && session->end == SESSION_GOES_ON)
        session->end = SESSION_RULE;
}

bool session_count_idle(struct session *session)
{
    if (++session->idle > IDLE_MAX)
        session->end = SESSION_IDLE;
    return session->end == SESSION_GOES_ON;
}

void session_log_end(struct session const *session)
{
    static char const *const words[] = {
        [SESSION_GOES_ON] = "none",          [SESSION_QUIT] = "quit",
        [SESSION_CLOSED] = "closed",         [SESSION_LOST] = "lost",
        [SESSION_TIMEOUT] = "timeout",       [SESSION_EXPIRED] = "session-timeout",
        [SESSION_STOPPED] = "stopped",       [SESSION_ERRORS] = "too-many-errors",
        [SESSION_IDLE] = "idle-commands",    [SESSION_FOREIGN] = "not-smtp",
        [SESSION_REFUSED] = "refused",       [SESSION_LOGINS] = "too-many-logins",
        [SESSION_RULE] = "refused-by-rule",  [SESSION_TLS] = "tls-failed",
        [SESSION_UNKNOWN] = "queue-unknown",
    };
    if (session->accepted > 0 && (session->end == SESSION_QUIT || session->end == SESSION_CLOSED))
        return;
    struct log_line line;
    log_begin(&line, "disconnect");
    session_log_client(session, &line);
    log_text(&line, "reason", words[session->end]);
    log_number(&line, "commands", session->commands);
    log_number(&line, "errors", session->errors_in_all);
    log_number(&line, "accepted", session->accepted);
    log_number(&line, "bytes", session->stream.received);
    log_write(&line);
}

void session_log_accepted(struct session const *session, char const *id, uint64_t size)
{
    struct transaction const *transaction = &session->transaction;
    struct log_line line;
    log_begin(&line, "accepted");
    if (id[0])
        log_text(&line, "id", id);
    session_log_client(session, &line);
    char const *const allowing = judgement_allowing(&session->judgement);
    log_text(&line, "rule", allowing ? allowing : policy_name(session->right));
    judgement_log(&session->judgement, &line);
    log_bytes(&line, "from", transaction_sender(transaction), transaction->sender_length);
    log_number(&line, "rcpts", transaction->recipients);
    char const *record = transaction->envelope.s + transaction->first_recipient - 1;
    for (unsigned int logged = 0; logged < RECIPIENTS_LOGGED && *record;) {
        size_t length = strlen(record + 1);
        if (*record == ENVELOPE_TODO) {
            log_bytes(&line, "to", record + 1, length);
            logged++;
        }
        record += length + 2;
    }
    log_number(&line, "bytes", size);
    log_write(&line);
}
