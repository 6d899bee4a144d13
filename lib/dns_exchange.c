/* Sockets, tries and streams of one question. What an answer is worth says lib/dns_packet. */
#include "lib/dns_exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <skalibs/djbunix.h>
#include <skalibs/socket.h>

#include "lib/dns_packet.h"

#define ROUNDS              4
#define STREAM_MILLISECONDS 10000
#define DATAGRAM_MAX        4096 /* bytes; more than we asked for, for servers that do not care */
#define DATAGRAMS_AT_ONCE   32   /* that are read before others have their turn */
/* Answers that are not to our question, on one socket. Somebody who found its port may be trying
 * all ids: the question is then asked by TCP, where he would have to find 32 bits more. */
#define STRANGERS_MAX 32

static unsigned int const round_milliseconds[ROUNDS] = {1000, 2000, 5000, 12000};

#define NO_MEMORY          "out of memory"
#define MALFORMED          "a name server's answer was malformed"
#define UNREACHABLE        "the name servers cannot be reached"
#define UNREACHABLE_STREAM "the name servers cannot be reached by TCP"

static void hang_up(struct dns_exchange *exchange)
{
    if (exchange->descriptor >= 0)
        fd_close(exchange->descriptor);
    exchange->descriptor = -1;
    free(exchange->reply);
    exchange->reply = NULL;
}

static void finish(struct dns_exchange *exchange, enum dns_status status)
{
    hang_up(exchange);
    exchange->finished = true;
    exchange->answer->status = status;
    exchange->answer->authenticated = exchange->authenticated;
    exchange->answer->reason = NULL;
}

void dns_exchange_fail(struct dns_exchange *exchange, char const *reason)
{
    exchange->authenticated = false;
    finish(exchange, DNS_TEMPORARY);
    exchange->answer->reason = reason;
}

/* Sends the question over a new socket to exchange->server. False when that cannot be.
 *
 * Each try has a new socket and a new id. The port is chosen by the kernel in connect: at random
 * among ip_local_port_range (28232 ports), which is a bit less than all there are, but never one
 * that a service on this host is about to listen on, as a port of our own choice might be. The
 * socket is connected, so that the kernel drops what comes from elsewhere, and tells us of a closed
 * port. */
static bool send_question(struct dns_exchange *exchange, bool stream, unsigned int milliseconds)
{
    struct dns_server const *server = exchange->servers->servers + exchange->server;
    tain timeout;
    hang_up(exchange);
    tain_from_millisecs(&timeout, (int)milliseconds);
    tain_add_g(&exchange->deadline, &timeout);
    if (tain_less(&exchange->end, &exchange->deadline))
        exchange->deadline = exchange->end;
    uint16_t *const id = &exchange->query.id;
    if (getrandom(id, sizeof *id, 0) != sizeof *id)
        return false;
    size_t const length = dns_query_build(exchange->packet + 2, &exchange->query);
    exchange->packet[0] = (unsigned char)(length >> 8);
    exchange->packet[1] = (unsigned char)length;
    exchange->packet_length = 2 + length;
    exchange->stream = exchange->writes = stream;
    exchange->strangers = 0;
    exchange->sent = exchange->received = 0;
    int const family = ip46_is6(&server->ip);
    exchange->descriptor = stream ? socket_tcp46_nbcoe(family) : socket_udp46_nbcoe(family);
    if (exchange->descriptor < 0)
        return false;
    if (socket_connect46(exchange->descriptor, &server->ip, server->port) < 0)
        return stream && (errno == EINPROGRESS || errno == EINTR);
    if (stream)
        return true;
    return send(exchange->descriptor, exchange->packet + 2, length, MSG_NOSIGNAL) ==
           (ssize_t)length;
}

/* The next server whose turn it is, until one could be sent to. */
static void ask_next(struct dns_exchange *exchange)
{
    unsigned int const count = exchange->servers->count;
    while (exchange->try < ROUNDS * count) {
        unsigned int const try = exchange->try++;
        exchange->server = try % count;
        if (exchange->failed & 1u << exchange->server)
            continue;
        exchange->query.edns = true;
        if (send_question(exchange, false, round_milliseconds[try / count]))
            return;
        exchange->answer->reason = UNREACHABLE;
        exchange->failed |= 1u << exchange->server;
    }
    dns_exchange_fail(exchange, exchange->answer->reason);
}

/* This server will not answer, for REASON. */
static void give_up_server(struct dns_exchange *exchange, char const *reason)
{
    exchange->answer->reason = reason;
    exchange->failed |= 1u << exchange->server;
    ask_next(exchange);
}

static void ask_by_stream(struct dns_exchange *exchange)
{
    if (!send_question(exchange, true, STREAM_MILLISECONDS))
        give_up_server(exchange, UNREACHABLE_STREAM);
}

static void ask_without_edns(struct dns_exchange *exchange)
{
    exchange->query.edns = false;
    if (!send_question(exchange, exchange->stream, round_milliseconds[1]))
        give_up_server(exchange, UNREACHABLE);
}

/* The name at the end of a chain of CNAMEs is asked for like a new one. */
static void ask_for_target(struct dns_exchange *exchange)
{
    exchange->try = 0;
    exchange->failed = 0;
    ask_next(exchange);
}

/* Why a server that gave this code (RFC 1035 section 4.1.1) will not answer. */
static char const *failure_reason(unsigned char const *bytes, size_t length)
{
    switch (length > 3 ? bytes[3] & 15 : 0) {
    case 1:
        return "a name server answered FORMERR";
    case 2:
        return "a name server answered SERVFAIL";
    case 4:
        return "a name server answered NOTIMP";
    case 5:
        return "a name server answered REFUSED";
    default:
        return "a name server is of no use: it gave a referral or an unknown code";
    }
}

/* What comes of an answer of LENGTH bytes. True: it was none, wait on. */
static bool take_reply(struct dns_exchange *exchange, unsigned char const *bytes, size_t length)
{
    bool authenticated = false;
    enum dns_verdict const verdict =
        dns_packet_parse(&exchange->query, exchange->answer, &authenticated, bytes, length);
    if (verdict >= DNS_VERDICT_RECORDS)
        exchange->authenticated &=
            authenticated && exchange->servers->servers[exchange->server].trusted;
    switch (verdict) {
    case DNS_VERDICT_STRANGER:
        if (exchange->stream)
            give_up_server(exchange, "a name server answered another question");
        else if (++exchange->strangers > STRANGERS_MAX)
            ask_by_stream(exchange);
        else
            return true;
        break;
    case DNS_VERDICT_TRUNCATED:
        if (exchange->stream)
            give_up_server(exchange, "a name server truncated its answer by TCP");
        else
            ask_by_stream(exchange);
        break;
    case DNS_VERDICT_NO_EDNS:
        ask_without_edns(exchange);
        break;
    case DNS_VERDICT_MALFORMED:
        give_up_server(exchange, MALFORMED);
        break;
    case DNS_VERDICT_FAILED:
        give_up_server(exchange, failure_reason(bytes, length));
        break;
    case DNS_VERDICT_CHAIN:
        dns_exchange_fail(exchange, "too many CNAMEs, or a loop of them");
        break;
    case DNS_VERDICT_NO_MEMORY:
        dns_exchange_fail(exchange, NO_MEMORY);
        break;
    case DNS_VERDICT_ALIAS:
        ask_for_target(exchange);
        break;
    case DNS_VERDICT_RECORDS:
        finish(exchange, DNS_OK);
        break;
    case DNS_VERDICT_NO_NAME:
        finish(exchange, DNS_NO_NAME);
        break;
    case DNS_VERDICT_NO_DATA:
        finish(exchange, DNS_NO_DATA);
        break;
    }
    return false;
}

static bool is_transient(int number)
{
    return number == EAGAIN || number == EWOULDBLOCK || number == EINTR;
}

static void read_datagrams(struct dns_exchange *exchange)
{
    unsigned char bytes[DATAGRAM_MAX];
    for (unsigned int i = 0; i < DATAGRAMS_AT_ONCE; i++) {
        ssize_t const length = recv(exchange->descriptor, bytes, sizeof bytes, 0);
        if (length < 0) {
            if (!is_transient(errno)) /* ECONNREFUSED: nobody listens there */
                give_up_server(exchange, UNREACHABLE);
            return;
        }
        if (!take_reply(exchange, bytes, (size_t)length))
            return;
    }
}

static void write_stream(struct dns_exchange *exchange)
{
    ssize_t const count = send(exchange->descriptor, exchange->packet + exchange->sent,
                               exchange->packet_length - exchange->sent, MSG_NOSIGNAL);
    if (count >= 0)
        exchange->writes = (exchange->sent += (size_t)count) < exchange->packet_length;
    else if (!is_transient(errno))
        give_up_server(exchange, UNREACHABLE_STREAM);
}

static void read_stream(struct dns_exchange *exchange)
{
    unsigned char const *prefix = exchange->prefix;
    size_t const wanted = (size_t)prefix[0] << 8 | prefix[1];
    bool const in_prefix = exchange->received < sizeof exchange->prefix;
    size_t const got = exchange->received - (in_prefix ? 0 : sizeof exchange->prefix);
    ssize_t const count =
        in_prefix
            ? recv(exchange->descriptor, exchange->prefix + got, sizeof exchange->prefix - got, 0)
            : recv(exchange->descriptor, exchange->reply + got, wanted - got, 0);
    if (count <= 0) {
        if (count == 0 || !is_transient(errno))
            give_up_server(exchange, "a name server broke its answer by TCP off");
        return;
    }
    exchange->received += (size_t)count;
    if (in_prefix && exchange->received == sizeof exchange->prefix) {
        size_t const length = (size_t)prefix[0] << 8 | prefix[1];
        /* Nothing shorter than a header is an answer. */
        exchange->reply = length >= 12 ? malloc(length) : NULL;
        if (!exchange->reply)
            give_up_server(exchange, length >= 12 ? NO_MEMORY : MALFORMED);
    } else if (!in_prefix && got + (size_t)count == wanted) {
        take_reply(exchange, exchange->reply, wanted);
    }
}

void dns_exchange_serve(struct dns_exchange *exchange)
{
    if (!exchange->stream)
        read_datagrams(exchange);
    else if (exchange->writes)
        write_stream(exchange);
    else
        read_stream(exchange);
}

void dns_exchange_time_out(struct dns_exchange *exchange)
{
    exchange->answer->reason = DNS_SILENCE;
    ask_next(exchange);
}

void dns_exchange_begin(struct dns_exchange *exchange, struct dns_servers const *servers,
                        struct dns_question const *question, struct dns_answer *answer,
                        tain const *end)
{
    *answer = (struct dns_answer){.reason = UNREACHABLE, .bytes = STRALLOC_ZERO};
    *exchange = (struct dns_exchange){.servers = servers,
                                      .answer = answer,
                                      .end = *end,
                                      .descriptor = -1,
                                      .authenticated = true,
                                      .query = {.type = question->type}};
    if (dns_query_name(exchange->query.name, question->name)) {
        ask_next(exchange);
    } else {
        exchange->authenticated = false;
        finish(exchange, DNS_BAD_NAME);
    }
}
