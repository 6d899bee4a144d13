/* One question on its way through servers and tries, without a wait: lib/dns does that for all. */
#ifndef EKIDEN_DNS_EXCHANGE_H
#define EKIDEN_DNS_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include <skalibs/tai.h>

#include "lib/dns.h"
#include "lib/dns_query.h"

#define DNS_SILENCE "no answer from the name servers in time"

struct dns_exchange {
    bool finished;
    int descriptor; /* to wait for: connected to a server, or -1 */
    bool writes;    /* for room to write, else for something to read */
    tain deadline;  /* of this try */
    /* The module's own: */
    struct dns_servers const *servers;
    struct dns_answer *answer;
    tain end; /* of all tries */
    struct dns_query query;
    bool authenticated;  /* so far: AD, and from a trusted server */
    unsigned int try;    /* the next one, for this name */
    unsigned int failed; /* bit N: server N failed for this name, and is not asked again */
    unsigned int server; /* that is being asked */
    bool stream;
    unsigned int strangers;
    unsigned char packet[2 + DNS_QUERY_MAX]; /* length (RFC 1035 section 4.2.2) and question */
    size_t packet_length, sent;
    unsigned char prefix[2]; /* of a stream's answer */
    unsigned char *reply;    /* a stream's answer, as long as PREFIX says; owned */
    size_t received;         /* bytes of prefix and reply */
};

/* Empties ANSWER and sends the first packet. SERVERS and ANSWER must outlive the exchange; it owns
 * nothing more once it is finished. END is when no more is sent. All times are by tain_now's clock,
 * now is its global stamp. */
void dns_exchange_begin(struct dns_exchange *exchange, struct dns_servers const *servers,
                        struct dns_question const *question, struct dns_answer *answer,
                        tain const *end);

/* The descriptor is ready. Afterwards the exchange is finished, or waits again. */
void dns_exchange_serve(struct dns_exchange *exchange);

/* The deadline of this try has passed: goes on to the next. */
void dns_exchange_time_out(struct dns_exchange *exchange);

/* Finishes it with DNS_TEMPORARY for REASON (a constant). */
void dns_exchange_fail(struct dns_exchange *exchange, char const *reason);

#endif
