#include "smtpd/verbs.h"

#include <string.h>

#include <skalibs/types.h>

#include "smtpd/authentication.h"
#include "smtpd/chunks.h"
#include "smtpd/local_rules.h"
#include "smtpd/message.h"
#include "smtpd/starttls.h"

static void refuse_order(struct session *session, char const *text)
{
    session_refuse_text(session, 503, "5.5.1", text, "order");
}

static void refuse_memory(struct session *session)
{
    session_refuse_text(session, 451, "4.3.0", "out of memory, please try again later", "memory");
}

static void send_extensions(struct session *session)
{
    char size[sizeof "SIZE " + UINT64_FMT] = "SIZE ";
    size[5 + uint64_fmt(size + 5, session->settings->databytes)] = 0;
    char const *lines[10] = {
        session->settings->routing.me, "PIPELINING", "CHUNKING", size, "8BITMIME",
        "ENHANCEDSTATUSCODES"};
    size_t count = 6;
    if (submit_keeps_dsn(&session->submit))
        lines[count++] = "DSN";
    lines[count++] = "SMTPUTF8";
    if (starttls_is_offered(session))
        lines[count++] = "STARTTLS";
    if (authentication_is_offered(session))
        lines[count++] = "AUTH PLAIN LOGIN";
    for (size_t i = 0; i < count; i++)
        reply_send_text(&session->stream, 250, 0, lines[i], i + 1 < count);
}

/* What has been DECIDED about what the client said. False: it is refused, or the session ends. */
static bool passes(struct session *session, enum stream_result waited,
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

static void run_hello(struct session *session, struct command const *command)
{
    struct finding decided;
    if (command->length == 0 || command->length > SESSION_HELO_MAX) {
        struct reply reply;
        reply_make(&reply, 501, "5.5.4", "please say the name of your host, of up to 255 octets");
        session_refuse(session, &reply, "helo-syntax", command);
        return;
    }
    enum policy_rule const rule =
        policy_hello(session->connection, command->argument, command->length);
    if (!policy_accepts(rule)) {
        session_refuse_rule(session, rule, command);
        return;
    }
    local_rules_hello(&session->judgement, command->argument, command->length, &decided);
    if (!passes(session, STREAM_OK, &decided, command))
        return;
    message_forget(session); /* RFC 5321 4.1.4: as RSET */
    memcpy(session->helo, command->argument, command->length);
    session->helo[command->length] = 0;
    session->helo_length = command->length;
    session->greeted = true;
    session->extended = command->name == COMMAND_EHLO;
    judgement_hello(&session->judgement, session->helo, session->helo_length);
    if (session->extended)
        send_extensions(session);
    else
        session_answer_text(session, 250, 0, session->settings->routing.me);
}

/* What is wrong with an argument of MAIL or RCPT; the status of an address is the caller's. */
static void refuse_argument(struct session *session, enum command_result result,
                            struct command const *command)
{
    static struct {
        unsigned int number;
        char const *status, *text;
    } const rows[] = {
        [COMMAND_SYNTAX] = {501, "5.5.4", "syntax: MAIL FROM:<address> or RCPT TO:<address>"},
        [COMMAND_ADDRESS_SYNTAX] = {501, 0, "that is no mailbox address of RFC 5321"},
        [COMMAND_ADDRESS_TOO_LONG] = {501, 0, "that address is too long"},
        [COMMAND_ADDRESS_UTF8] = {553, "5.6.7",
                                  "an address that is not ASCII needs SMTPUTF8 and valid UTF-8"},
        [COMMAND_PARAMETER_SYNTAX] = {501, "5.5.4", "malformed parameter"},
        [COMMAND_PARAMETER_TWICE] = {501, "5.5.4", "a parameter stands here twice"},
        [COMMAND_PARAMETER_UNKNOWN] = {555, "5.5.4", "a parameter is not supported here"},
        [COMMAND_SIZE_SYNTAX] = {501, "5.5.4", "SIZE wants a number of up to 20 digits"},
        [COMMAND_BODY_UNKNOWN] = {501, "5.5.4", "BODY wants 7BIT or 8BITMIME"},
        [COMMAND_AUTH_SYNTAX] = {501, "5.5.4", "AUTH wants <> or an address, in xtext"},
        [COMMAND_RET_UNKNOWN] = {501, "5.5.4", "RET wants FULL or HDRS"},
        [COMMAND_ENVID_SYNTAX] = {501, "5.5.4", "ENVID wants up to 100 octets of xtext"},
        [COMMAND_NOTIFY_UNKNOWN] = {501, "5.5.4",
                                    "NOTIFY wants NEVER, or a list of SUCCESS, FAILURE and DELAY"},
        [COMMAND_ORCPT_SYNTAX] = {501, "5.5.4",
                                  "ORCPT wants a type, a semicolon, and xtext; up to 500 octets"},
    };
    struct reply reply;
    char const *status = rows[result].status;
    if (!status)
        status = command->name == COMMAND_MAIL ? "5.1.7" : "5.1.3";
    reply_make(&reply, rows[result].number, status, rows[result].text);
    session_refuse(session, &reply, "syntax", command);
}

/* Before DATA, so that the client need not send what there is no room for, or what the operator
 * does not want now. For every sender, the null sender as well: a report is a message too, and its
 * sender's server keeps it. */
static bool has_room(struct session *session, uint64_t size, struct command const *command)
{
    struct reply reply;
    if (!session->connection->room)
        return true;
    if (queue_room_is_paused(session->connection->room, &session->settings->room)) {
        reply_make(&reply, 452, "4.3.2", "no mail is taken here now, please try again later");
        session_refuse(session, &reply, "paused", command);
        return false;
    }
    if (session->settings->queueprogram)
        return true; /* another program knows its own queue */
    enum queue_lack const lack =
        queue_room_look(session->connection->room, &session->settings->room, size);
    if (lack == QUEUE_LACKS_NOTHING)
        return true;
    reply_make(&reply, 452, "4.3.1", "the queue has no room for this now, please try again later");
    if (lack == QUEUE_LACKS_FOR_THIS)
        session_refuse(session, &reply, "minfree", command);
    else
        session_refuse_unlogged(session, &reply);
    return false;
}

static void run_mail(struct session *session, struct command const *command)
{
    struct command_mail mail;
    uint64_t limit = session->settings->databytes;
    if (!session->greeted) {
        refuse_order(session, "please say EHLO first");
        return;
    }
    if (session->transaction.open) {
        refuse_order(session, "a transaction is open already");
        return;
    }
    if (!authentication_allows_mail(session))
        return;
    enum command_result result =
        command_parse_mail(&mail, command->argument, command->length, session->extended);
    if (result == COMMAND_OK && mail.auth && session->connection->role == ROLE_MX)
        result = COMMAND_PARAMETER_UNKNOWN; /* AUTH is not offered there */
    if (result == COMMAND_OK && mail.dsn && !submit_keeps_dsn(&session->submit))
        result = COMMAND_PARAMETER_UNKNOWN;
    if (result != COMMAND_OK) {
        refuse_argument(session, result, command);
        return;
    }
    if (limit > 0 && mail.size > limit) {
        struct reply reply;
        reply_make(&reply, 552, "5.3.4", "the message is larger than this server takes");
        session_refuse(session, &reply, "databytes", command);
        return;
    }
    enum policy_rule rule = policy_sender(session->connection, session->login, &mail.sender);
    if (!policy_accepts(rule)) {
        session_refuse_rule(session, rule, command);
        return;
    }
    if (!has_room(session, mail.size, command))
        return;
    if (!transaction_begin(&session->transaction, &mail)) {
        refuse_memory(session);
        return;
    }
    judgement_sender(&session->judgement, mail.sender.bytes, mail.sender.length);
    session_answer_text(session, 250, "2.1.0", "sender ok");
}

/* Not an error of the client: RFC 5321 4.5.3.1.10 wants the rest in another transaction. So it is
 * not counted, and logged once a transaction. */
static void refuse_more_recipients(struct session *session, struct command const *command)
{
    struct reply reply;
    reply_make(&reply, 452, "4.5.3", "too many recipients, please send the rest separately");
    if (session->transaction.full) {
        session_answer(session, &reply);
        return;
    }
    session->transaction.full = true;
    session_refuse(session, &reply, "maxrcpt", command);
    session->errors--;
}

static void refuse_recipient(struct session *session, enum policy_rule rule,
                             struct address const *recipient, struct command const *command)
{
    struct finding decided;
    if (rule == POLICY_NO_SUCH_MAILBOX) {
        session->unknown++;
        enum stream_result const waited =
            judgement_unknown(&session->judgement, recipient, &decided);
        if (!passes(session, waited, &decided, command))
            return;
    }
    session_refuse_rule(session, rule, command);
}

static void run_rcpt(struct session *session, struct command const *command)
{
    struct transaction *transaction = &session->transaction;
    struct policy_recipient recipient;
    struct command_rcpt rcpt;
    struct finding decided;
    if (!transaction->open) {
        refuse_order(session, "please say MAIL first");
        return;
    }
    if (session->arrival.stage != ARRIVAL_NONE) {
        refuse_order(session, "the message has begun already");
        return;
    }
    transaction->attempted = true;
    enum command_result result = command_parse_rcpt(&rcpt, command->argument, command->length,
                                                    session->extended, transaction->smtputf8);
    if (result == COMMAND_OK && rcpt.dsn && !submit_keeps_dsn(&session->submit))
        result = COMMAND_PARAMETER_UNKNOWN;
    if (result != COMMAND_OK) {
        refuse_argument(session, result, command);
        return;
    }
    enum policy_rule rule =
        policy_recipient(session->connection, session->login, transaction->sender_length == 0,
                         &rcpt.recipient, &recipient);
    if (!policy_accepts(rule)) {
        refuse_recipient(session, rule, &rcpt.recipient, command);
        return;
    }
    if (transaction->recipients >= session->settings->maxrcpt) {
        refuse_more_recipients(session, command);
        return;
    }
    enum stream_result const waited =
        judgement_recipient(&session->judgement, &rcpt.recipient, &decided);
    if (!passes(session, waited, &decided, command))
        return;
    if (!transaction_add(transaction, recipient.bytes, recipient.length, &rcpt)) {
        refuse_memory(session);
        return;
    }
    if (transaction->recipients == 1) {
        session->right = rule;
        submit_prepare(&session->submit);
    }
    session_answer_text(session, 250, "2.1.5", "recipient ok");
}

static void run_data(struct session *session, struct command const *command)
{
    (void)command;
    if (!session->transaction.open)
        refuse_order(session, "please say MAIL first");
    else if (session->arrival.stage != ARRIVAL_NONE)
        refuse_order(session, "the message has begun with BDAT");
    else if (session->transaction.recipients > 0) {
        if (message_may_begin(session))
            message_receive(session);
    } else if (session->transaction.attempted)
        session_refuse_text(session, 554, "5.5.1", "no recipient was accepted", "order");
    else
        refuse_order(session, "please say RCPT first");
}

static void run_rset(struct session *session, struct command const *command)
{
    (void)command;
    message_forget(session);
    session_answer_text(session, 250, "2.0.0", "ok");
}

static void run_noop(struct session *session, struct command const *command)
{
    (void)command;
    session_answer_text(session, 250, "2.0.0", "ok");
}

static void run_vrfy(struct session *session, struct command const *command)
{
    /* The same for every name, so that nobody learns which exist (RFC 5321 7.3). */
    if (command->length == 0)
        session_refuse_text(session, 501, "5.5.4", "VRFY wants a name", "syntax");
    else
        session_answer_text(session, 252, "2.5.2", "send mail, and it will be seen");
}

static void run_help(struct session *session, struct command const *command)
{
    (void)command;
    reply_send_text(&session->stream, 214, "2.0.0", "Ekiden speaks SMTP by RFC 5321:", true);
    session_answer_text(session, 214, "2.0.0",
                        "HELO EHLO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT");
}

static void run_quit(struct session *session, struct command const *command)
{
    (void)command;
    session_answer_text(session, 221, "2.0.0", "good bye");
    session->end = SESSION_QUIT;
}

static void run_off(struct session *session, struct command const *command)
{
    (void)command;
    session_refuse_text(session, 502, "5.5.1", "this command is not offered here", "off");
}

static void run_foreign(struct session *session, struct command const *command)
{
    (void)command;
    session_refuse_text(session, 554, "5.5.1", "this is a mail server, it speaks SMTP only",
                        "not-smtp");
    if (session->end == SESSION_GOES_ON)
        session->end = SESSION_FOREIGN;
}

static void run_unknown(struct session *session, struct command const *command)
{
    (void)command;
    session_refuse_text(session, 500, "5.5.1", "this command is not known here", "unknown");
    stream_wipe(&session->stream); /* of a client that is out of step it may be a password */
}

static void (*const runners[])(struct session *, struct command const *) = {
    [COMMAND_HELO] = run_hello,
    [COMMAND_EHLO] = run_hello,
    [COMMAND_MAIL] = run_mail,
    [COMMAND_RCPT] = run_rcpt,
    [COMMAND_DATA] = run_data,
    [COMMAND_RSET] = run_rset,
    [COMMAND_NOOP] = run_noop,
    [COMMAND_VRFY] = run_vrfy,
    [COMMAND_EXPN] = run_off,
    [COMMAND_HELP] = run_help,
    [COMMAND_QUIT] = run_quit,
    [COMMAND_STARTTLS] = starttls_run,
    [COMMAND_AUTH] = authentication_run,
    [COMMAND_BDAT] = chunks_run,
    [COMMAND_OFF] = run_off,
    [COMMAND_FOREIGN] = run_foreign,
    [COMMAND_UNKNOWN] = run_unknown,
};

/* Behind `tarpit`. False: the session ends. */
static bool wait_in_tarpit(struct session *session)
{
    struct tarpit const *const tarpit = &session->settings->tarpit;
    if (tarpit->seconds == 0 || session->unknown < tarpit->count || session->judgement.exempt ||
        !stream_flush(&session->stream))
        return true;
    enum stream_result const waited =
        stream_pause(&session->stream, (int64_t)tarpit->seconds * 1000);
    if (waited == STREAM_STOPPED || waited == STREAM_EXPIRED)
        session->end = session_end_of(waited);
    return session->end == SESSION_GOES_ON;
}

/* What has come behind a command that has to be answered first may be a message, and must not be
 * run as commands: the session ends. */
static bool waits_its_turn(struct session *session, struct command const *command)
{
    struct finding decided;
    local_rules_pipelining(&session->judgement, command, session->extended, &decided);
    if (passes(session, STREAM_OK, &decided, 0))
        return true;
    if (session->end == SESSION_GOES_ON)
        session->end = SESSION_RULE;
    return false;
}

void verbs_run(struct session *session, struct command const *command)
{
    session->commands++;
    if (!wait_in_tarpit(session))
        return;
    if (session->banned[0] && command->name != COMMAND_QUIT) {
        session_refuse_text(session, 503, "5.5.1", "mail from your address is not taken here",
                            session->banned);
        if (command->name == COMMAND_BDAT && session->end == SESSION_GOES_ON)
            session->end = SESSION_FOREIGN; /* its octets are not commands */
        return;
    }
    if (command->excess) {
        session_refuse_text(session, 501, "5.5.4", "this command takes no argument", "syntax");
        return;
    }
    if (command->idle && !session_count_idle(session))
        return;
    if (!waits_its_turn(session, command))
        return;
    runners[command->name](session, command);
}
