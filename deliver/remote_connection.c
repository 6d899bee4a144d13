#include "deliver/remote_connection.h"

#include <stdio.h>
#include <string.h>

#include "deliver/remote_connect.h"
#include "deliver/remote_identity.h"

static void format_peer(char peer[REMOTE_PEER_MAX], struct remote_candidate const *candidate,
                        uint16_t port)
{
    char ip[IP46_FMT + 1];
    ip[ip46_fmt(ip, &candidate->ip)] = 0;
    if (!port)
        snprintf(peer, REMOTE_PEER_MAX, "%s", candidate->host);
    else if (strcmp(ip, candidate->host) != 0)
        snprintf(peer, REMOTE_PEER_MAX, "%s[%s]:%u", candidate->host, ip, port);
    else
        snprintf(peer, REMOTE_PEER_MAX, "[%s]:%u", ip, port);
}

void remote_connection_clear(struct remote_connection *connection)
{
    memset(connection, 0, sizeof *connection);
    connection->session.descriptor = -1;
    connection->session.state = REMOTE_SESSION_OVER;
}

bool remote_connection_prepare(struct remote_connection *connection,
                               struct remote_settings const *settings, struct remote_way const *way,
                               unsigned int number, struct remote_candidate const *candidate,
                               bool authenticated, int tls_service, struct failure *failure)
{
    connection->candidate = *candidate;
    connection->way = number;
    connection->session =
        (struct remote_session){.descriptor = -1,
                                .helo = settings->helo,
                                .peer = connection->peer,
                                .timeout_seconds = (unsigned int)settings->timeoutremote,
                                .way = way,
                                .name = connection->name,
                                .tls_service = tls_service};
    format_peer(connection->peer, candidate, way->port);
    return remote_identity_choose(connection->name, way, candidate, authenticated, failure);
}

bool remote_connection_make(struct remote_connection *connection,
                            struct remote_settings const *settings,
                            struct remote_ourselves const *ourselves, tain const *most,
                            struct failure *failure)
{
    struct remote_session *const session = &connection->session;
    tain deadline;
    tain_now_g();
    tain_addsec_g(&deadline, (int)settings->timeoutconnect);
    if (tain_less(most, &deadline))
        deadline = *most;
    if (smtproutes_is_socket(connection->candidate.host))
        session->descriptor = remote_connect_socket(connection->candidate.host, failure);
    else
        session->descriptor =
            remote_connect(&connection->candidate.ip, session->way->port, session->peer, settings,
                           session->way->by_mx ? ourselves : NULL, &deadline, failure);
    session->state = REMOTE_SESSION_NEW;
    connection->count = 0;
    tain_addsec_g(&connection->until, (int)settings->reuselimit.seconds);
    return session->descriptor >= 0;
}

bool remote_connection_may_stay(struct remote_connection const *connection,
                                struct remote_settings const *settings)
{
    enum remote_session_state const state = connection->session.state;
    return (state == REMOTE_SESSION_READY || state == REMOTE_SESSION_MIDWAY) &&
           connection->total < settings->reuselimit.messages && tain_future(&connection->until);
}

void remote_connection_leave(struct remote_connection *connection)
{
    remote_session_quit(&connection->session);
    remote_session_close(&connection->session);
}
