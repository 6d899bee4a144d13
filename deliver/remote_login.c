#include "deliver/remote_login.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base64.h"

#define COMMAND_MAX 510   /* octets of a command without its CRLF: RFC 5321 4.5.3.1.4 */
#define LINE_MAX    12286 /* of a line of an exchange: RFC 4954 4.3 */
#define SECRET_MAX  9000  /* octets of user and password: what such a line can hold, and less */
#define WINDOW      8     /* characters of a secret that are its repetition */

/* What is said and must not be repeated: memory of its own, wiped in the end. */
struct secrets {
    size_t user_length, password_length;
    size_t plain_length;
    unsigned char plain[SECRET_MAX + 2]; /* NUL user NUL password */
    char user[BASE64_ENCODED(SECRET_MAX) + 1];
    char password[BASE64_ENCODED(SECRET_MAX) + 1];
    char response[BASE64_ENCODED(SECRET_MAX + 2) + 1]; /* of PLAIN */
};

static void encode(char *text, unsigned char const *bytes, size_t length)
{
    base64_encode(text, bytes, length);
    text[BASE64_ENCODED(length)] = 0;
}

static bool make_secrets(struct secrets *secrets, struct remote_way const *way)
{
    size_t const user = strlen(way->user), password = strlen(way->password);
    if (user > SECRET_MAX || password > SECRET_MAX - user)
        return false;
    secrets->plain_length = user + password + 2;
    secrets->plain[0] = secrets->plain[user + 1] = 0;
    memcpy(secrets->plain + 1, way->user, user);
    memcpy(secrets->plain + user + 2, way->password, password);
    encode(secrets->user, secrets->plain + 1, user);
    encode(secrets->password, secrets->plain + user + 2, password);
    encode(secrets->response, secrets->plain, secrets->plain_length);
    return true;
}

/* True when TEXT has a piece of SECRET, or all of a short one. A server may cut what it repeats, or
 * write it in capitals. */
static bool repeats(char const *text, char const *secret)
{
    size_t const length = strlen(secret), window = length < WINDOW ? length : WINDOW;
    for (; window && *text; text++)
        for (size_t i = 0; i + window <= length; i++)
            if (strncasecmp(text, secret + i, window) == 0)
                return true;
    return false;
}

/* --- the exchange --- */

/* Says PREFIX and TEXT in one line and hears the answer. */
static bool say(struct remote_talk *talk, char const *prefix, char const *text)
{
    char line[LINE_MAX + 1];
    int const length = snprintf(line, sizeof line, "%s%s", prefix, text);
    bool const said = remote_talk_is_quiet(talk, REMOTE_AUTH) &&
                      remote_talk_say(talk, line, (size_t)length) &&
                      remote_talk_hear(talk, REMOTE_AUTH);
    explicit_bzero(line, sizeof line);
    return said;
}

static bool goes_on(struct remote_talk const *talk)
{
    return talk->reply.code == 334;
}

static bool say_plain(struct remote_talk *talk, struct secrets const *secrets)
{
    static char const command[] = "AUTH PLAIN";
    if (strlen(command) + 1 + strlen(secrets->response) <= COMMAND_MAX)
        return say(talk, "AUTH PLAIN ", secrets->response);
    return say(talk, command, "") && (!goes_on(talk) || say(talk, "", secrets->response));
}

/* What the server prompts is of no interest: it is always the user, then the password. */
static bool say_login(struct remote_talk *talk, struct secrets const *secrets)
{
    return say(talk, "AUTH LOGIN", "") && (!goes_on(talk) || say(talk, "", secrets->user)) &&
           (!goes_on(talk) || say(talk, "", secrets->password));
}

/* --- the answer --- */

/* "CODE PEER BEFORE authroutes REFERENCEAFTER" */
static void lose(struct remote_session const *session, struct remote_talk *talk, char const *code,
                 char const *before, char const *after)
{
    char what[300];
    snprintf(what, sizeof what, "%s authroutes %s%s", before, session->way->reference, after);
    remote_talk_lose(talk, REMOTE_AUTH, code, what);
}

/* 535 and 534 say that the password is wrong, or not the kind that is wanted; others that something
 * else is. All of it waits: for the operator, or for the server. */
static void take_refusal(struct remote_session const *session, struct remote_talk *talk,
                         bool leave_text)
{
    unsigned int const code = talk->reply.code;
    bool const wrong = code == 535 || code == 534;
    char what[400];
    snprintf(what, sizeof what, "refused %s authroutes %s: %u %.180s",
             wrong ? "the user name or password of" : "the AUTH of", session->way->reference, code,
             leave_text ? talk->reply.text : "(what it said repeats the password)");
    remote_talk_lose(talk, REMOTE_AUTH, code < 500 ? "4.7.0" : "4.7.8", what);
}

/* True: we are in. The talk's failure may still hold what must not be seen. */
static bool take_answer(struct remote_session *session, struct remote_talk *talk,
                        enum remote_outcome *outcome)
{
    if (talk->reply.code == 235)
        return true;
    session->may_quit = remote_talk_is_refusal(talk);
    if (session->may_quit)
        take_refusal(session, talk, true);
    else
        remote_talk_is_confused(talk, REMOTE_AUTH);
    if (talk->reply.code >= 500)
        *outcome = REMOTE_NEXT_HOST;
    return false;
}

static bool exchange(struct remote_session *session, struct remote_talk *talk,
                     struct secrets const *secrets, enum remote_outcome *outcome)
{
    bool const said =
        talk->extensions.auth_plain ? say_plain(talk, secrets) : say_login(talk, secrets);
    bool const in = said && take_answer(session, talk, outcome);
    char const *const text = talk->lost.text;
    if (!in && (repeats(text, session->way->password) || repeats(text, secrets->password) ||
                repeats(text, secrets->response))) {
        if (said && session->may_quit)
            take_refusal(session, talk, false);
        else
            lose(session, talk, "4.7.0", "broke off the AUTH of", "");
    }
    return in;
}

bool remote_login_run(struct remote_session *session, struct remote_talk *talk,
                      enum remote_outcome *outcome)
{
    struct secrets *secrets = NULL;
    bool in = false;
    *outcome = REMOTE_NEXT;
    session->may_quit = true;
    if (!session->tls.active && !session->way->clear_auth)
        lose(session, talk, "4.7.11", "is spoken to in the clear, and the password of",
             " goes only under TLS (smtproutes: tls=, clear-auth)");
    else if (!talk->extensions.auth)
        lose(session, talk, "4.7.0", "offers no AUTH, but smtproutes says", ": another port may");
    else if (!talk->extensions.auth_plain && !talk->extensions.auth_login)
        lose(session, talk, "4.7.0", "offers AUTH by neither PLAIN nor LOGIN for", "");
    else if (!(secrets = malloc(sizeof *secrets)))
        failure_system(&talk->lost, "AUTH needs more memory", "", errno);
    else if (!make_secrets(secrets, session->way))
        lose(session, talk, "4.3.5", "cannot be told the password of", ": it is too long");
    else {
        session->may_quit = false;
        in = exchange(session, talk, secrets, outcome);
    }
    if (secrets) {
        explicit_bzero(secrets, sizeof *secrets);
        remote_stream_wipe(&talk->stream);
    }
    free(secrets);
    session->logged_in = in;
    return in;
}
