/* One DNS packet: the question we send, and the answer a stranger gives. RFC 1035 section 4.
 *
 * No state, no input but the arguments: what tests/fuzz/fuzz_dns_packet.c hammers on. libresolv's
 * ns_initparse, ns_parserr and dn_expand do the bounds (pointer loops, RDLENGTH); what is said here
 * is what an answer must be to be believed. */
#ifndef EKIDEN_DNS_PACKET_H
#define EKIDEN_DNS_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/dns.h"

#define DNS_QUERY_MAX  (12 + 255 + 4 + 11) /* bytes: header, name, type and class, OPT */
#define DNS_PACKET_MAX 65535
#define DNS_UDP_SIZE   1232 /* bytes we ask for: below every MTU, so that nothing is fragmented */

/* What is asked at the moment. */
struct dns_query {
    char name[DNS_NAME_MAX]; /* by dns_packet_name, or the target of a CNAME */
    enum dns_type type;
    uint16_t id;
    bool edns;
    unsigned int links; /* of the chain of CNAMEs that led to NAME */
};

enum dns_verdict {
    DNS_VERDICT_STRANGER,  /* no answer to this question: somebody else's, or forged */
    DNS_VERDICT_MALFORMED, /* an answer to it that cannot be read */
    DNS_VERDICT_TRUNCATED, /* ask again by TCP */
    DNS_VERDICT_NO_EDNS,   /* the server does not know EDNS: ask again without */
    DNS_VERDICT_FAILED,    /* SERVFAIL, REFUSED, a referral, ...: ask another server */
    DNS_VERDICT_CHAIN,     /* more than DNS_CNAME_MAX links, or a loop */
    DNS_VERDICT_NO_MEMORY,
    DNS_VERDICT_RECORDS, /* from here on it is believed; these were added to the answer */
    DNS_VERDICT_NO_NAME,
    DNS_VERDICT_NO_DATA,
    DNS_VERDICT_ALIAS /* CNAMEs to a name that this answer is silent on: the query now asks for it
                       */
};

/* NAME in the one form that we compare: presentation form, lower case, no last dot, "." for the
 * root. False for what is no name: empty, an empty label, one of more than 63 bytes, more than 255
 * bytes in all, bytes that are not printable ASCII, a bad escape. */
bool dns_packet_name(char out[DNS_NAME_MAX], char const *name);

/* Writes the question: RD and AD (RFC 6840 section 5.7: "tell me whether it is authenticated")
 * set, with OPT when query->edns. Returns its length. */
size_t dns_packet_build(unsigned char bytes[DNS_QUERY_MAX], struct dns_query const *query);

/* Reads an answer of LENGTH bytes. With RECORDS they are put into ANSWER (which must have none),
 * with ALIAS query->name and query->links go on; else both stay as they are. When it is believed
 * *authenticated is the AD bit. */
enum dns_verdict dns_packet_parse(struct dns_query *query, struct dns_answer *answer,
                                  bool *authenticated, unsigned char const *bytes, size_t length);

#endif
