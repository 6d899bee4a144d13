#include "smtpd/starttls.h"

#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "smtpd/message.h"
#include "smtpd/tunnel.h"

void starttls_start(struct session *session)
{
    struct connection const *const connection = session->connection;
    session->encrypted = connection->tls_version;
    snprintf(session->tls_version, sizeof session->tls_version, "%s",
             connection->tls_version ? connection->tls_version : "");
    snprintf(session->tls_suite, sizeof session->tls_suite, "%s",
             connection->tls_suite ? connection->tls_suite : "");
}

bool starttls_is_offered(struct session const *session)
{
    struct connection const *const connection = session->connection;
    return !session->encrypted && (connection->ucspi_tls.offered || connection->settings->tls);
}

static void log_failed(struct session const *session, char const *reason)
{
    struct log_line line;
    log_begin(&line, "tls-failed");
    session_log_client(session, &line);
    log_text(&line, "reason", reason);
    log_write(&line);
}

static void log_begun(struct session const *session, struct tls_answer const *answer)
{
    struct log_line line;
    log_begin(&line, "tls");
    session_log_client(session, &line);
    log_text(&line, "version", answer->version);
    log_text(&line, "suite", answer->suite);
    if (answer->name[0])
        log_text(&line, "sni", answer->name);
    log_write(&line);
}

/* RFC 3207 4.2: nothing that was said in the clear counts any more. Errors stay counted. */
static void forget(struct session *session)
{
    message_forget(session);
    session->greeted = session->extended = false;
    session->helo_length = 0;
    session->helo[0] = session->login[0] = 0;
    input_start(&session->input, &session->stream, session->input.limit);
}

/* From here on nothing goes out in the clear, whatever happens. */
static bool begin(struct session *session, struct tunnel *tunnel)
{
    if (tunnel_begin(tunnel) != STREAM_OK) {
        log_failed(session, tunnel->answer.reason);
        session->end = SESSION_TLS;
        return false;
    }
    forget(session);
    session->encrypted = true;
    memcpy(session->tls_version, tunnel->answer.version, sizeof session->tls_version);
    memcpy(session->tls_suite, tunnel->answer.suite, sizeof session->tls_suite);
    log_begun(session, &tunnel->answer);
    return true;
}

static void refuse_unavailable(struct session *session, enum stream_result result,
                               char const *reason)
{
    if (result == STREAM_STOPPED || result == STREAM_EXPIRED) {
        session->end = result == STREAM_STOPPED ? SESSION_STOPPED : SESSION_EXPIRED;
        return;
    }
    log_failed(session, reason);
    session_refuse_text(session, 454, "4.7.0", "TLS is not available, please try again later",
                        "tls");
}

/* Somebody on the way may have written it, to have it run after the handshake as if it had come
 * from the client: the session ends here, and what came is dropped. */
static void refuse_pipelined(struct session *session)
{
    log_failed(session, "clear text came after STARTTLS");
    session_refuse_text(session, 503, "5.5.1", "nothing may follow STARTTLS before its answer",
                        "tls");
    stream_linger(&session->stream);
    session->end = SESSION_TLS;
}

void starttls_run(struct session *session, struct command const *command)
{
    struct tunnel tunnel;
    (void)command;
    if (session->encrypted) {
        session_refuse_order(session, "TLS has begun already");
        return;
    }
    if (!starttls_is_offered(session)) {
        session_refuse_text(session, 502, "5.5.1", "this command is not offered here", "off");
        return;
    }
    enum stream_result const result =
        tunnel_prepare(&tunnel, session->connection, &session->stream);
    if (result != STREAM_OK) {
        refuse_unavailable(session, result, tunnel.answer.reason);
        return;
    }
    /* As late as possible. What comes later still goes to the engine, and is no handshake. */
    enum stream_result const peeked = stream_peek(&session->stream);
    if (peeked == STREAM_TIMEOUT) {
        session_answer_text(session, 220, "2.0.0", "ready to start TLS");
        if (stream_flush(&session->stream)) {
            begin(session, &tunnel);
            return;
        }
        session->end = SESSION_LOST;
    } else if (peeked == STREAM_OK) {
        refuse_pipelined(session);
    } else {
        session->end = peeked == STREAM_END ? SESSION_CLOSED : SESSION_LOST;
    }
    tunnel_cancel(&tunnel);
}

bool starttls_begin(struct session *session)
{
    struct connection const *const connection = session->connection;
    struct tunnel tunnel;
    if (connection->role != ROLE_SUBMISSIONS || session->encrypted)
        return true;
    if (connection->refusal != CONNECTION_WELCOME) {
        session->end = SESSION_REFUSED;
        return false;
    }
    if (!starttls_is_offered(session)) {
        log_failed(session, "there is no certificate: put one into tls/default/");
        session->end = SESSION_TLS;
        return false;
    }
    if (tunnel_prepare(&tunnel, connection, &session->stream) == STREAM_OK)
        return begin(session, &tunnel);
    log_failed(session, tunnel.answer.reason);
    session->end = SESSION_TLS;
    return false;
}
