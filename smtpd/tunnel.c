#include "smtpd/tunnel.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/packet.h"
#include "smtpd/ucspi_tls.h"

#define READY_SECONDS 10
#define GRACE_SECONDS 5 /* the engine has the same deadline, and says more about it */

static enum stream_result fail(struct tunnel *tunnel, enum stream_result result, char const *reason)
{
    if (!tunnel->answer.reason[0])
        snprintf(tunnel->answer.reason, sizeof tunnel->answer.reason, "%s", reason);
    return result;
}

static int64_t handshake_milliseconds(struct tunnel const *tunnel)
{
    return (int64_t)(tunnel->connection->settings->timeouttls + GRACE_SECONDS) * 1000;
}

/* --- ekiden-tls --- */

/* Waits for the engine's next word, which has to be KIND. */
static enum stream_result await(struct tunnel *tunnel, enum tls_answer_kind kind,
                                int64_t milliseconds)
{
    enum tls_receive_result received = TLS_AGAIN;
    while (received == TLS_AGAIN) {
        enum stream_result const result =
            stream_wait(tunnel->stream, tunnel->link.answers, POLLIN, milliseconds);
        if (result == STREAM_TIMEOUT)
            return fail(tunnel, result, "ekiden-tls does not answer");
        if (result != STREAM_OK)
            return fail(tunnel, result, "the session ended meanwhile");
        received = tls_answer_receive(&tunnel->link, &tunnel->answer);
    }
    if (received == TLS_RECEIVED && tunnel->answer.kind == kind)
        return STREAM_OK;
    return fail(tunnel, STREAM_LOST, "the TLS engine died");
}

struct asking {
    struct tunnel *tunnel;
    struct tls_request const *request;
    enum stream_result result; /* of the last wait */
};

static bool send_request(void *context)
{
    struct asking const *const asking = context;
    struct tunnel *const tunnel = asking->tunnel;
    return tls_request_send(&tunnel->link, tunnel->connection->tls_requests, asking->request,
                            tunnel->stream->from, tunnel->stream->to);
}

static bool pause_request(void *context, int milliseconds)
{
    struct asking *const asking = context;
    asking->result = stream_pause(asking->tunnel->stream, milliseconds);
    return asking->result == STREAM_OK;
}

static enum stream_result ask(struct tunnel *tunnel, struct tls_request const *request,
                              int64_t milliseconds)
{
    struct asking asking = {.tunnel = tunnel, .request = request, .result = STREAM_OK};
    if (packet_insist(&(struct packet_attempt){send_request, pause_request, &asking}, milliseconds))
        return STREAM_OK;
    if (asking.result != STREAM_OK)
        return fail(tunnel, asking.result, "the session ended meanwhile");
    return fail(tunnel, STREAM_LOST, strerror(errno));
}

static enum stream_result prepare_own(struct tunnel *tunnel)
{
    struct connection const *const connection = tunnel->connection;
    struct stream *const stream = tunnel->stream;
    struct tls_request const request = {.role = TLS_SERVER,
                                        .seconds = (unsigned int)connection->settings->timeouttls};
    unsigned int const seconds = request.seconds < READY_SECONDS ? request.seconds : READY_SECONDS;
    /* With room for a request, sending it does not wait. */
    if (stream_wait(stream, connection->tls_requests, POLLOUT, seconds * 1000) != STREAM_OK)
        return fail(tunnel, STREAM_TIMEOUT, "ekiden-tls does not read requests");
    enum stream_result result = ask(tunnel, &request, seconds * 1000);
    if (result != STREAM_OK)
        return result;
    result = await(tunnel, TLS_READY, seconds * 1000);
    /* Without an answer the request, and with it the connection, may lie there unread. */
    stream->shared |= result != STREAM_OK && result != STREAM_LOST;
    if (result != STREAM_OK)
        tls_link_close(&tunnel->link);
    return result;
}

static enum stream_result begin_own(struct tunnel *tunnel)
{
    if (!tls_go(&tunnel->link))
        return fail(tunnel, STREAM_LOST, "the TLS engine died");
    return await(tunnel, TLS_HANDSHAKE, handshake_milliseconds(tunnel));
}

/* --- UCSPI-TLS --- */

/* It has no way to say that it is ready; but one that is gone is noticed. */
static enum stream_result prepare_offered(struct tunnel *tunnel)
{
    struct pollfd watched = {.fd = tunnel->connection->ucspi_tls.control, .events = POLLOUT};
    struct timespec const now = {0};
    if (ppoll(&watched, 1, &now, NULL) == 1 && watched.revents == POLLOUT)
        return STREAM_OK;
    return fail(tunnel, STREAM_LOST, "the engine of UCSPI-TLS is gone");
}

static enum stream_result begin_offered(struct tunnel *tunnel)
{
    struct ucspi_tls const *const tls = &tunnel->connection->ucspi_tls;
    static struct ucspi_tls_text text; /* touched only as far as used */
    bool complete = false;
    text.length = 0;
    if (write(tls->control, "Y", 1) != 1)
        return fail(tunnel, STREAM_LOST, "the engine of UCSPI-TLS is gone");
    while (!complete) {
        enum stream_result const result =
            stream_wait(tunnel->stream, tls->control, POLLIN, handshake_milliseconds(tunnel));
        if (result == STREAM_TIMEOUT)
            return fail(tunnel, result, "the engine of UCSPI-TLS does not answer");
        if (result != STREAM_OK)
            return fail(tunnel, result, "the session ended meanwhile");
        if (!ucspi_tls_read(&text, tls->control, &complete))
            return fail(tunnel, STREAM_LOST, "the handshake failed");
    }
    ucspi_tls_parse(&tunnel->answer, &text);
    if (tls->control != tls->input && tls->control != tls->output)
        close(tls->control);
    return STREAM_OK;
}

/* --- both --- */

enum stream_result tunnel_prepare(struct tunnel *tunnel, struct connection const *connection,
                                  struct stream *stream)
{
    *tunnel = (struct tunnel){.connection = connection, .stream = stream};
    return connection->ucspi_tls.offered ? prepare_offered(tunnel) : prepare_own(tunnel);
}

void tunnel_cancel(struct tunnel *tunnel)
{
    if (!tunnel->connection->ucspi_tls.offered)
        tls_link_close(&tunnel->link);
}

enum stream_result tunnel_begin(struct tunnel *tunnel)
{
    struct ucspi_tls const *const tls = &tunnel->connection->ucspi_tls;
    enum stream_result const result = tls->offered ? begin_offered(tunnel) : begin_own(tunnel);
    if (result != STREAM_OK) {
        /* An engine that failed says why to the client itself; one that hangs must not keep him. */
        tunnel->stream->shared = tunnel->answer.kind != TLS_FAILED;
        tunnel_cancel(tunnel);
    } else if (tls->offered) {
        stream_switch(tunnel->stream, tls->input, tls->output);
    } else {
        /* The other socket stays open: its end would mean that we have gone. */
        stream_switch(tunnel->stream, tunnel->link.plain, tunnel->link.plain);
    }
    return result;
}
