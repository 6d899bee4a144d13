/* Asking: sockets, tries and deadlines. What an answer is worth says lib/dns_packet. */
#include "lib/dns.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <skalibs/djbunix.h>
#include <skalibs/iopause.h>
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

#define SILENCE            "no answer from the name servers in time"
#define NO_MEMORY          "out of memory"
#define MALFORMED          "a name server's answer was malformed"
#define UNREACHABLE        "the name servers cannot be reached"
#define UNREACHABLE_STREAM "the name servers cannot be reached by TCP"

/* One question on its way. */
struct exchange {
    struct dns_query query;
    struct dns_answer *answer;
    bool finished;
    bool authenticated;  /* so far: AD, and from a trusted server */
    unsigned int try;    /* the next one, for this name */
    unsigned int failed; /* bit N: server N failed for this name, and is not asked again */
    unsigned int server; /* that is being asked */
    int descriptor;      /* connected to it, or -1 */
    bool stream;
    tain deadline; /* of this try */
    unsigned int strangers;
    unsigned char packet[2 + DNS_QUERY_MAX]; /* length (RFC 1035 section 4.2.2) and question */
    size_t packet_length, sent;
    unsigned char prefix[2]; /* of a stream's answer */
    unsigned char *reply;    /* a stream's answer, as long as PREFIX says; owned */
    size_t received;         /* bytes of prefix and reply */
};

struct asking {
    struct dns_servers const *servers;
    struct exchange *exchanges;
    size_t count, unfinished;
    tain deadline;
};

static void hang_up(struct exchange *exchange)
{
    if (exchange->descriptor >= 0)
        fd_close(exchange->descriptor);
    exchange->descriptor = -1;
    free(exchange->reply);
    exchange->reply = NULL;
}

static void finish(struct asking *asking, struct exchange *exchange, enum dns_status status)
{
    hang_up(exchange);
    exchange->finished = true;
    asking->unfinished--;
    exchange->answer->status = status;
    exchange->answer->authenticated = exchange->authenticated;
    exchange->answer->reason = NULL;
}

static void fail(struct asking *asking, struct exchange *exchange, char const *reason)
{
    exchange->authenticated = false;
    finish(asking, exchange, DNS_TEMPORARY);
    exchange->answer->reason = reason;
}

/* Sends the question over a new socket to exchange->server. False when that cannot be.
 *
 * Each try has a new socket and a new id. The port is chosen by the kernel in connect: at random
 * among ip_local_port_range (28232 ports), which is a bit less than all there are, but never one
 * that a service on this host is about to listen on, as a port of our own choice might be. The
 * socket is connected, so that the kernel drops what comes from elsewhere, and tells us of a closed
 * port. */
static bool send_question(struct asking *asking, struct exchange *exchange, bool stream,
                          unsigned int milliseconds)
{
    struct dns_server const *server = asking->servers->servers + exchange->server;
    tain timeout;
    hang_up(exchange);
    tain_from_millisecs(&timeout, (int)milliseconds);
    tain_add_g(&exchange->deadline, &timeout);
    if (tain_less(&asking->deadline, &exchange->deadline))
        exchange->deadline = asking->deadline;
    uint16_t *const id = &exchange->query.id;
    if (getrandom(id, sizeof *id, 0) != sizeof *id)
        return false;
    size_t const length = dns_packet_build(exchange->packet + 2, &exchange->query);
    exchange->packet[0] = (unsigned char)(length >> 8);
    exchange->packet[1] = (unsigned char)length;
    exchange->packet_length = 2 + length;
    exchange->stream = stream;
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
    exchange->sent = exchange->packet_length;
    return send(exchange->descriptor, exchange->packet + 2, length, MSG_NOSIGNAL) ==
           (ssize_t)length;
}

/* The next server whose turn it is, until one could be sent to. */
static void ask_next(struct asking *asking, struct exchange *exchange)
{
    unsigned int const count = asking->servers->count;
    while (exchange->try < ROUNDS * count) {
        unsigned int const try = exchange->try++;
        exchange->server = try % count;
        if (exchange->failed & 1u << exchange->server)
            continue;
        exchange->query.edns = true;
        if (send_question(asking, exchange, false, round_milliseconds[try / count]))
            return;
        exchange->answer->reason = UNREACHABLE;
        exchange->failed |= 1u << exchange->server;
    }
    fail(asking, exchange, exchange->answer->reason);
}

/* This server will not answer, for REASON. */
static void give_up_server(struct asking *asking, struct exchange *exchange, char const *reason)
{
    exchange->answer->reason = reason;
    exchange->failed |= 1u << exchange->server;
    ask_next(asking, exchange);
}

static void ask_by_stream(struct asking *asking, struct exchange *exchange)
{
    if (!send_question(asking, exchange, true, STREAM_MILLISECONDS))
        give_up_server(asking, exchange, UNREACHABLE_STREAM);
}

static void ask_without_edns(struct asking *asking, struct exchange *exchange)
{
    exchange->query.edns = false;
    if (!send_question(asking, exchange, exchange->stream, round_milliseconds[1]))
        give_up_server(asking, exchange, UNREACHABLE);
}

/* The name at the end of a chain of CNAMEs is asked for like a new one. */
static void ask_for_target(struct asking *asking, struct exchange *exchange)
{
    exchange->try = 0;
    exchange->failed = 0;
    ask_next(asking, exchange);
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
static bool take_reply(struct asking *asking, struct exchange *exchange, unsigned char const *bytes,
                       size_t length)
{
    bool authenticated = false;
    enum dns_verdict const verdict =
        dns_packet_parse(&exchange->query, exchange->answer, &authenticated, bytes, length);
    if (verdict >= DNS_VERDICT_RECORDS)
        exchange->authenticated &=
            authenticated && asking->servers->servers[exchange->server].trusted;
    switch (verdict) {
    case DNS_VERDICT_STRANGER:
        if (exchange->stream)
            give_up_server(asking, exchange, "a name server answered another question");
        else if (++exchange->strangers > STRANGERS_MAX)
            ask_by_stream(asking, exchange);
        else
            return true;
        break;
    case DNS_VERDICT_TRUNCATED:
        if (exchange->stream)
            give_up_server(asking, exchange, "a name server truncated its answer by TCP");
        else
            ask_by_stream(asking, exchange);
        break;
    case DNS_VERDICT_NO_EDNS:
        ask_without_edns(asking, exchange);
        break;
    case DNS_VERDICT_MALFORMED:
        give_up_server(asking, exchange, MALFORMED);
        break;
    case DNS_VERDICT_FAILED:
        give_up_server(asking, exchange, failure_reason(bytes, length));
        break;
    case DNS_VERDICT_CHAIN:
        fail(asking, exchange, "too many CNAMEs, or a loop of them");
        break;
    case DNS_VERDICT_NO_MEMORY:
        fail(asking, exchange, NO_MEMORY);
        break;
    case DNS_VERDICT_ALIAS:
        ask_for_target(asking, exchange);
        break;
    case DNS_VERDICT_RECORDS:
        finish(asking, exchange, DNS_OK);
        break;
    case DNS_VERDICT_NO_NAME:
        finish(asking, exchange, DNS_NO_NAME);
        break;
    case DNS_VERDICT_NO_DATA:
        finish(asking, exchange, DNS_NO_DATA);
        break;
    }
    return false;
}

static bool is_transient(int number)
{
    return number == EAGAIN || number == EWOULDBLOCK || number == EINTR;
}

static void read_datagrams(struct asking *asking, struct exchange *exchange)
{
    unsigned char bytes[DATAGRAM_MAX];
    for (unsigned int i = 0; i < DATAGRAMS_AT_ONCE; i++) {
        ssize_t const length = recv(exchange->descriptor, bytes, sizeof bytes, 0);
        if (length < 0) {
            if (!is_transient(errno)) /* ECONNREFUSED: nobody listens there */
                give_up_server(asking, exchange, UNREACHABLE);
            return;
        }
        if (!take_reply(asking, exchange, bytes, (size_t)length))
            return;
    }
}

static void write_stream(struct asking *asking, struct exchange *exchange)
{
    ssize_t const count = send(exchange->descriptor, exchange->packet + exchange->sent,
                               exchange->packet_length - exchange->sent, MSG_NOSIGNAL);
    if (count >= 0)
        exchange->sent += (size_t)count;
    else if (!is_transient(errno))
        give_up_server(asking, exchange, UNREACHABLE_STREAM);
}

static void read_stream(struct asking *asking, struct exchange *exchange)
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
            give_up_server(asking, exchange, "a name server broke its answer by TCP off");
        return;
    }
    exchange->received += (size_t)count;
    if (in_prefix && exchange->received == sizeof exchange->prefix) {
        size_t const length = (size_t)prefix[0] << 8 | prefix[1];
        /* Nothing shorter than a header is an answer. */
        exchange->reply = length >= 12 ? malloc(length) : NULL;
        if (!exchange->reply)
            give_up_server(asking, exchange, length >= 12 ? NO_MEMORY : MALFORMED);
    } else if (!in_prefix && got + (size_t)count == wanted) {
        take_reply(asking, exchange, exchange->reply, wanted);
    }
}

static void serve(struct asking *asking, struct exchange *exchange)
{
    if (!exchange->stream)
        read_datagrams(asking, exchange);
    else if (exchange->sent < exchange->packet_length)
        write_stream(asking, exchange);
    else
        read_stream(asking, exchange);
}

/* Waits until something came or the next try is due, and serves that. False: it cannot wait. */
static bool wait_and_serve(struct asking *asking)
{
    iopause_fd waits[DNS_ASK_MAX];
    struct exchange *waiting[DNS_ASK_MAX];
    unsigned int count = 0;
    tain nearest = asking->deadline;
    for (size_t i = 0; i < asking->count; i++) {
        struct exchange *exchange = asking->exchanges + i;
        if (exchange->finished)
            continue;
        if (tain_less(&exchange->deadline, &nearest))
            nearest = exchange->deadline;
        bool const writes = exchange->sent < exchange->packet_length;
        waits[count] = (iopause_fd){.fd = exchange->descriptor,
                                    .events = writes ? IOPAUSE_WRITE : IOPAUSE_READ};
        waiting[count++] = exchange;
    }
    int const ready = iopause_g(waits, count, &nearest);
    if (ready < 0 && errno != EINTR)
        return false;
    if (ready < 0)
        tain_now_g();
    for (unsigned int i = 0; i < count; i++) {
        /* What has come counts, even when we come late to it. */
        if (ready > 0 && waits[i].revents)
            serve(asking, waiting[i]);
        if (!waiting[i]->finished && !tain_future(&waiting[i]->deadline) &&
            tain_future(&asking->deadline)) {
            waiting[i]->answer->reason = SILENCE;
            ask_next(asking, waiting[i]);
        }
    }
    return true;
}

static void begin(struct asking *asking, struct exchange *exchange,
                  struct dns_question const *question, struct dns_answer *answer)
{
    *answer = (struct dns_answer){.reason = UNREACHABLE, .bytes = STRALLOC_ZERO};
    exchange->answer = answer;
    exchange->descriptor = -1;
    exchange->authenticated = true;
    exchange->query.type = question->type;
    if (dns_packet_name(exchange->query.name, question->name)) {
        ask_next(asking, exchange);
    } else {
        exchange->authenticated = false;
        finish(asking, exchange, DNS_BAD_NAME);
    }
}

void dns_ask(struct dns_servers const *servers, struct dns_question const *questions,
             struct dns_answer *answers, size_t count, tain const *deadline)
{
    struct asking asking = {
        .servers = servers, .count = count, .unfinished = count, .deadline = *deadline};
    asking.exchanges = count <= DNS_ASK_MAX ? calloc(count, sizeof *asking.exchanges) : NULL;
    if (!asking.exchanges) {
        for (size_t i = 0; i < count; i++)
            answers[i] = (struct dns_answer){.status = DNS_TEMPORARY, .reason = NO_MEMORY};
        return;
    }
    for (size_t i = 0; i < count; i++)
        begin(&asking, asking.exchanges + i, questions + i, answers + i);
    while (asking.unfinished > 0 && tain_future(deadline) && wait_and_serve(&asking))
        ;
    for (size_t i = 0; i < count; i++)
        if (!asking.exchanges[i].finished)
            fail(&asking, asking.exchanges + i, SILENCE);
    free(asking.exchanges);
}

void dns_reverse_name(char name[DNS_REVERSE_MAX], ip46 const *ip)
{
    unsigned char const *bytes = (unsigned char const *)ip->ip;
    if (!ip46_is6(ip)) {
        snprintf(name, DNS_REVERSE_MAX, "%u.%u.%u.%u.in-addr.arpa", bytes[3], bytes[2], bytes[1],
                 bytes[0]);
        return;
    }
    for (int i = 15; i >= 0; i--, name += 4)
        snprintf(name, 5, "%x.%x.", bytes[i] & 15u, bytes[i] >> 4);
    strcpy(name, "ip6.arpa");
}
