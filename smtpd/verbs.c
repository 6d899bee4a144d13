#include "smtpd/verbs.h"

#include <string.h>

#include <skalibs/types.h>

#include "smtpd/authentication.h"
#include "smtpd/chunks.h"
#include "smtpd/envelope_verbs.h"
#include "smtpd/local_rules.h"
#include "smtpd/message.h"
#include "smtpd/starttls.h"

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
    if (!session_passes(session, STREAM_OK, &decided, command))
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

static void run_data(struct session *session, struct command const *command)
{
    (void)command;
    if (!session->transaction.open)
        session_refuse_order(session, "please say MAIL first");
    else if (session->arrival.stage != ARRIVAL_NONE)
        session_refuse_order(session, "the message has begun with BDAT");
    else if (session->transaction.recipients > 0) {
        if (message_may_begin(session))
            message_receive(session);
    } else if (session->transaction.attempted)
        session_refuse_text(session, 554, "5.5.1", "no recipient was accepted", "order");
    else
        session_refuse_order(session, "please say RCPT first");
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
    [COMMAND_MAIL] = envelope_verbs_mail,
    [COMMAND_RCPT] = envelope_verbs_rcpt,
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
    if (session_passes(session, STREAM_OK, &decided, 0))
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
