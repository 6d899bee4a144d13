#include "deliver/remote_opening.h"

#include <stdio.h>
#include <string.h>

#include "deliver/remote_login.h"

#define GRACE_SECONDS 2 /* the engine ends a handshake by itself, and then says why */
#define WHAT_MAX      (TLS_REASON_MAX + 64)

/* Says LINE when nothing else waits for an answer, and hears it. */
static bool ask(struct remote_talk *talk, enum remote_stage stage, char const *verb)
{
    char line[300];
    int const length = snprintf(line, sizeof line, "%s %.255s", verb, talk->session->helo);
    return remote_talk_is_quiet(talk, stage) && remote_talk_say(talk, line, (size_t)length) &&
           remote_talk_hear(talk, stage);
}

/* A server that refuses us here has said nothing about this mail: others may be asked. */
static bool is_welcome(struct remote_session *session, struct remote_talk *talk,
                       enum remote_stage stage)
{
    if (remote_talk_is_ok(talk))
        return true;
    session->may_quit = remote_talk_is_refusal(talk);
    if (session->may_quit)
        remote_talk_failure(talk, stage, JOB_UNREACHABLE, &talk->lost);
    else
        remote_talk_is_confused(talk, stage);
    return false;
}

/* EHLO, and HELO for a server that does not know EHLO; LHLO, and nothing else, in LMTP. */
static bool introduce(struct remote_session *session, struct remote_talk *talk)
{
    remote_extensions_clear(&talk->extensions);
    if (session->way->lmtp)
        return ask(talk, REMOTE_LHLO, "LHLO") && is_welcome(session, talk, REMOTE_LHLO);
    if (!ask(talk, REMOTE_EHLO, "EHLO"))
        return false;
    if (talk->reply.code / 100 != 5)
        return is_welcome(session, talk, REMOTE_EHLO);
    remote_extensions_clear(&talk->extensions);
    return ask(talk, REMOTE_HELO, "HELO") && is_welcome(session, talk, REMOTE_HELO);
}

/* --- TLS --- */

/* Why TLS must be, in a few words. NULL: it may be missing. */
static char const *requirement(struct remote_session const *session, char text[WHAT_MAX])
{
    struct remote_way const *const way = session->way;
    if (way->level == TLSPOLICY_VERIFY)
        snprintf(text, WHAT_MAX, "verify %.*s", TLS_NAME_MAX, session->name);
    else if (way->level == TLSPOLICY_ENCRYPT)
        snprintf(text, WHAT_MAX, "encrypt");
    else if (way->implicit)
        snprintf(text, WHAT_MAX, "implicit");
    else if (way->level == TLSPOLICY_MAY && way->user && !way->clear_auth)
        snprintf(text, WHAT_MAX, "for the password of authroutes %s", way->reference);
    else
        return NULL;
    return text;
}

/* TLS did not come about, which is the server's doing (RESULT is JOB_UNREACHABLE) or ours. True:
 * where it may be missing. */
static bool go_without(struct remote_session *session, struct remote_talk *talk,
                       enum remote_stage stage, enum job_result result, char const *what)
{
    char needed[WHAT_MAX], text[2 * WHAT_MAX];
    if (requirement(session, needed)) {
        snprintf(text, sizeof text, "TLS is required (%s), but %s", needed, what);
        remote_talk_lose(talk, stage, "4.7.5", text);
        talk->lost.result = result;
        return false;
    }
    snprintf(session->tls_problem, sizeof session->tls_problem, "%s", what);
    return true;
}

/* STARTTLS, or what came of it, has left the connection useless; talk->lost says how. */
static enum remote_outcome without_connection(struct remote_session *session,
                                              struct remote_talk const *talk)
{
    char needed[WHAT_MAX];
    if (requirement(session, needed))
        return REMOTE_NEXT;
    memcpy(session->tls_problem, talk->lost.text, sizeof session->tls_problem);
    return REMOTE_IN_CLEAR;
}

/* An engine that is ready to take the connection over. False: WHAT. */
static bool find_engine(struct remote_session *session, struct remote_talk const *talk,
                        char what[WHAT_MAX])
{
    char reason[TLS_REASON_MAX + 1];
    struct tls_request request = {.role = TLS_CLIENT,
                                  .seconds = remote_talk_seconds(talk, REMOTE_HANDSHAKE),
                                  .level = session->way->level == TLSPOLICY_VERIFY ? TLS_VERIFY
                                                                                   : TLS_ENCRYPT};
    tain deadline;
    snprintf(request.name, sizeof request.name, "%s", session->name);
    remote_talk_deadline(talk, REMOTE_HANDSHAKE, &deadline);
    if (remote_tls_ask(&session->tls, session->tls_service, &request, session->descriptor,
                       &deadline, reason))
        return true;
    snprintf(what, WHAT_MAX, "no TLS engine of ours is ready: %s", reason);
    return false;
}

/* The engine takes the connection over. What was said in the clear is forgotten. False: WHAT. */
static bool shake_hands(struct remote_session *session, struct remote_talk *talk,
                        char what[WHAT_MAX])
{
    char reason[TLS_REASON_MAX + 1];
    tain deadline;
    tain_addsec_g(&deadline, (int)remote_talk_seconds(talk, REMOTE_HANDSHAKE) + GRACE_SECONDS);
    if (tain_less(&session->deadline, &deadline))
        deadline = session->deadline;
    if (!remote_tls_begin(&session->tls, &session->descriptor, &deadline, reason)) {
        snprintf(what, WHAT_MAX, "the TLS handshake failed: %s", reason);
        return false;
    }
    remote_talk_start(talk, session);
    return true;
}

/* After 220 nobody who may speak says anything before the handshake: what came behind it was put
 * there for the session inside TLS, in which it would pass for the server's word. */
static bool is_clean(struct remote_talk *talk)
{
    enum remote_stream_result const result = remote_stream_turn(&talk->stream, &STAMP);
    if (result == REMOTE_STREAM_READY)
        remote_talk_lose(talk, REMOTE_STARTTLS, "4.7.0",
                         "sends more in the clear behind its 220 to STARTTLS, which may be "
                         "somebody's attack: the connection was dropped");
    /* its end shows in the handshake */
    return result != REMOTE_STREAM_READY;
}

/* STARTTLS and the handshake; an engine is ready. True: TLS is active, or was refused where it may
 * be missing. */
static bool start_tls(struct remote_session *session, struct remote_talk *talk,
                      enum remote_outcome *outcome)
{
    char what[WHAT_MAX];
    if (!remote_talk_is_quiet(talk, REMOTE_STARTTLS))
        return false;
    if (!remote_talk_say(talk, "STARTTLS", 8) || !remote_talk_hear(talk, REMOTE_STARTTLS)) {
        *outcome = without_connection(session, talk);
        return false;
    }
    if (remote_talk_is_refusal(talk)) {
        snprintf(what, sizeof what, "it refuses STARTTLS: %u %.200s", talk->reply.code,
                 talk->reply.text);
        session->may_quit = true;
        return go_without(session, talk, REMOTE_STARTTLS, JOB_UNREACHABLE, what);
    }
    if (talk->reply.code != 220) {
        remote_talk_is_confused(talk, REMOTE_STARTTLS);
        *outcome = without_connection(session, talk);
        return false;
    }
    if (!is_clean(talk))
        return false;
    if (shake_hands(session, talk, what))
        return true;
    if (go_without(session, talk, REMOTE_HANDSHAKE, JOB_UNREACHABLE, what)) {
        remote_talk_lose(talk, REMOTE_HANDSHAKE, "4.7.5", what);
        *outcome = REMOTE_IN_CLEAR;
    }
    return false;
}

/* TLS by STARTTLS, as far as the way and the server have it. */
static bool protect(struct remote_session *session, struct remote_talk *talk,
                    enum remote_outcome *outcome)
{
    char what[WHAT_MAX];
    if (session->tls.active || session->in_clear || session->way->level == TLSPOLICY_NONE)
        return true;
    if (!talk->extensions.starttls) {
        session->may_quit = true;
        return !requirement(session, what) ||
               go_without(session, talk, REMOTE_STARTTLS, JOB_UNREACHABLE,
                          "it does not offer STARTTLS");
    }
    /* before STARTTLS, after which there would be no way back */
    if (!find_engine(session, talk, what)) {
        session->may_quit = true;
        return go_without(session, talk, REMOTE_STARTTLS, JOB_DEFERRED, what);
    }
    bool const goes_on = start_tls(session, talk, outcome);
    if (!session->tls.active)
        remote_tls_end(&session->tls);
    return goes_on && (!session->tls.active || introduce(session, talk));
}

/* TLS from the first octet. There is no clear form of this port. */
static bool begin_with_tls(struct remote_session *session, struct remote_talk *talk)
{
    char what[WHAT_MAX];
    bool const ready = find_engine(session, talk, what);
    if (ready && shake_hands(session, talk, what))
        return true;
    (void)go_without(session, talk, REMOTE_HANDSHAKE, ready ? JOB_UNREACHABLE : JOB_DEFERRED, what);
    return false;
}

bool remote_opening_run(struct remote_session *session, struct remote_talk *talk,
                        enum remote_outcome *outcome)
{
    *outcome = REMOTE_NEXT;
    if (session->way->implicit && !begin_with_tls(session, talk))
        return false;
    if (!remote_talk_hear(talk, REMOTE_GREETING) || !is_welcome(session, talk, REMOTE_GREETING) ||
        !introduce(session, talk) || !protect(session, talk, outcome))
        return false;
    session->may_quit = false;
    return !session->way->user || remote_login_run(session, talk, outcome);
}
