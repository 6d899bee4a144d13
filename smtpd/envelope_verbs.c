#include "smtpd/envelope_verbs.h"

#include "smtpd/authentication.h"
#include "smtpd/message.h"

static void refuse_memory(struct session *session)
{
    session_refuse_text(session, 451, "4.3.0", "out of memory, please try again later", "memory");
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

void envelope_verbs_mail(struct session *session, struct command const *command)
{
    struct command_mail mail;
    uint64_t limit = session->settings->databytes;
    if (!session->greeted) {
        session_refuse_order(session, "please say EHLO first");
        return;
    }
    if (session->transaction.open) {
        session_refuse_order(session, "a transaction is open already");
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
        if (!session_passes(session, waited, &decided, command))
            return;
    }
    session_refuse_rule(session, rule, command);
}

void envelope_verbs_rcpt(struct session *session, struct command const *command)
{
    struct transaction *transaction = &session->transaction;
    struct policy_recipient recipient;
    struct command_rcpt rcpt;
    struct finding decided;
    if (!transaction->open) {
        session_refuse_order(session, "please say MAIL first");
        return;
    }
    if (session->arrival.stage != ARRIVAL_NONE) {
        session_refuse_order(session, "the message has begun already");
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
    if (!session_passes(session, waited, &decided, command))
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
