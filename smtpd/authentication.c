#include "smtpd/authentication.h"

#include <string.h>

#include "lib/log.h"
#include "smtpd/helper_ask.h"
#include "smtpd/sasl.h"

#define FAILURES_MAX 3 /* then the session ends */

bool authentication_is_offered(struct session const *session)
{
    return session->connection->role != ROLE_MX && session->encrypted && !session->login[0];
}

/* --- the exchange --- */

static char const login_user[] = "VXNlcm5hbWU6";     /* `Username:` */
static char const login_password[] = "UGFzc3dvcmQ6"; /* `Password:` */

static size_t answer_limit(char const *line, size_t length)
{
    (void)line;
    (void)length;
    return SASL_LINE_MAX;
}

/* One line of the client's after PROMPT, decoded. */
static enum sasl_result ask(struct session *session, char const *prompt, struct sasl_bytes *decoded)
{
    static enum sasl_result const results[] = {
        [INPUT_BARE_CR] = SASL_MALFORMED, [INPUT_BARE_LF] = SASL_MALFORMED,
        [INPUT_NUL] = SASL_MALFORMED,     [INPUT_FOREIGN] = SASL_MALFORMED,
        [INPUT_TOO_LONG] = SASL_TOO_LONG, [INPUT_STREAM] = SASL_ENDED,
    };
    enum stream_result ended = STREAM_OK;
    char const *line;
    size_t length;
    reply_send_text(&session->stream, 334, 0, prompt, false);
    enum input_result const result =
        input_next_answer(&session->input, answer_limit, &line, &length, &ended);
    if (result == INPUT_STREAM)
        session->end = session_end_of(ended);
    return result == INPUT_LINE ? sasl_decode(decoded, line, length, false) : results[result];
}

/* The first line: the command's own, or asked for. */
static enum sasl_result first_line(struct session *session, char const *prompt, char const *initial,
                                   size_t length, struct sasl_bytes *decoded)
{
    return initial ? sasl_decode(decoded, initial, length, true) : ask(session, prompt, decoded);
}

static enum sasl_result exchange_plain(struct session *session, char const *initial, size_t length,
                                       struct sasl_bytes *decoded, struct sasl_secret *secret)
{
    enum sasl_result const result = first_line(session, "", initial, length, decoded);
    return result == SASL_OK ? sasl_take_plain(secret, decoded) : result;
}

static enum sasl_result exchange_login(struct session *session, char const *initial, size_t length,
                                       struct sasl_bytes *decoded, struct sasl_secret *secret)
{
    enum sasl_result result = first_line(session, login_user, initial, length, decoded);
    if (result == SASL_OK)
        result = sasl_take_user(secret, decoded);
    if (result == SASL_OK)
        result = ask(session, login_password, decoded);
    return result == SASL_OK ? sasl_take_password(secret, decoded) : result;
}

static enum sasl_result (*const exchanges[])(struct session *, char const *, size_t,
                                             struct sasl_bytes *, struct sasl_secret *) = {
    [SASL_PLAIN] = exchange_plain, [SASL_LOGIN] = exchange_login};

static void refuse_exchange(struct session *session, enum sasl_result result)
{
    static struct {
        unsigned int number;
        char const *status, *text, *rule;
    } const rows[] = {
        [SASL_NO_MECHANISM] = {501, "5.5.4", "AUTH wants a mechanism: PLAIN or LOGIN",
                               "login-syntax"},
        [SASL_UNKNOWN] = {504, "5.5.4", "that mechanism is not offered here; please take PLAIN",
                          "login-mechanism"},
        [SASL_CANCELLED] = {501, "5.7.0", "the login is cancelled", "login-cancelled"},
        [SASL_MALFORMED] = {501, "5.5.2", "that is not what the mechanism wants, in base64",
                            "login-syntax"},
        [SASL_TOO_LONG] = {500, "5.5.6", "the line is too long for a login", "login-syntax"},
    };
    if (result != SASL_ENDED)
        session_refuse_text(session, rows[result].number, rows[result].status, rows[result].text,
                            rows[result].rule);
}

/* --- the judgement --- */

static enum helper_answer judge(struct session *session, struct sasl_secret const *secret,
                                int *code)
{
    struct connection const *const connection = session->connection;
    char request[HELPER_REQUEST_MAX] = {HELPER_AUTH, (char)connection->remote.is6};
    *code = -1;
    if (secret->hopeless)
        return HELPER_NO;
    memcpy(request + 2, connection->remote.ip, connection->remote.is6 ? 16 : 4);
    return helper_ask(&session->stream, request, sizeof request, secret->bytes, secret->length,
                      code);
}

static void log_login(struct session const *session, enum sasl_mechanism mechanism,
                      struct sasl_secret const *secret, enum helper_answer answer, int code)
{
    static char const *const results[] = {[HELPER_YES] = "ok",
                                          [HELPER_NO] = "wrong",
                                          [HELPER_FAILED] = "failed",
                                          [HELPER_TIMEOUT] = "timeout",
                                          [HELPER_STOPPED] = "stopped"};
    struct log_line line;
    log_begin(&line, "login");
    log_text(&line, "result", results[answer]);
    if (secret->length >= secret->user_length)
        log_bytes(&line, "user", secret->bytes, secret->user_length);
    session_log_client(session, &line);
    log_text(&line, "mechanism", sasl_mechanism_name(mechanism));
    log_text(&line, "role", role_name(session->connection->role));
    if (answer == HELPER_FAILED && code >= 0)
        log_number(&line, "code", (uint64_t)code);
    log_write(&line);
}

static void count_failure(struct session *session, unsigned int number, char const *status,
                          char const *text)
{
    if (++session->login_failures < FAILURES_MAX) {
        session_refuse_text(session, number, status, text, "login");
        return;
    }
    session->errors_in_all++;
    session->end = SESSION_LOGINS;
}

static void decide(struct session *session, enum sasl_mechanism mechanism,
                   struct sasl_secret const *secret)
{
    int code;
    enum helper_answer const answer = judge(session, secret, &code);
    log_login(session, mechanism, secret, answer, code);
    switch (answer) {
    case HELPER_YES:
        memcpy(session->login, secret->bytes, secret->user_length);
        session->login[secret->user_length] = 0;
        session_answer_text(session, 235, "2.7.0", "welcome");
        break;
    case HELPER_NO:
        count_failure(session, 535, "5.7.8", "user name and password do not fit");
        break;
    case HELPER_FAILED:
    case HELPER_TIMEOUT:
        count_failure(session, 454, "4.7.0",
                      "logins cannot be checked right now, please try again later");
        break;
    case HELPER_STOPPED:
        session->end = SESSION_STOPPED;
        break;
    }
}

/* --- the command --- */

/* False: refused. */
static bool is_allowed(struct session *session)
{
    if (session->connection->role == ROLE_MX)
        session_refuse_text(session, 502, "5.5.1", "this command is not offered here", "off");
    else if (!session->extended)
        session_refuse_order(session, "please say EHLO first");
    else if (!session->encrypted)
        session_refuse_text(session, 538, "5.7.11",
                            "no login without TLS: please say STARTTLS "
                            "first",
                            "login-in-the-clear");
    else if (session->login[0])
        session_refuse_order(session, "you have logged in already");
    else if (session->transaction.open)
        session_refuse_order(session, "no login within a transaction");
    else
        return true;
    return false;
}

static void run(struct session *session, struct command const *command)
{
    struct sasl_bytes decoded;
    struct sasl_secret secret = {.length = 0};
    enum sasl_mechanism mechanism;
    char const *initial;
    size_t length;
    decoded.length = decoded.touched = 0;
    enum sasl_result result =
        sasl_parse(&mechanism, &initial, &length, command->argument, command->length);
    if (result == SASL_OK)
        result = exchanges[mechanism](session, initial, length, &decoded, &secret);
    if (result == SASL_OK)
        decide(session, mechanism, &secret);
    else
        refuse_exchange(session, result);
    sasl_wipe(&decoded);
    explicit_bzero(&secret, sizeof secret);
}

void authentication_run(struct session *session, struct command const *command)
{
    if (is_allowed(session))
        run(session, command);
    stream_wipe(&session->stream); /* also what should not have been sent */
}

bool authentication_allows_mail(struct session *session)
{
    if (session->connection->role == ROLE_MX || session->login[0])
        return true;
    session_refuse_text(session, 530, "5.7.0",
                        session->encrypted ? "please log in first"
                                           : "please say STARTTLS and log in first",
                        "no-login");
    return false;
}
