/* One DNS packet that claims to be an answer. RFC 1035 section 4.
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
#include "lib/dns_query.h"

#define DNS_PACKET_MAX 65535

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

/* Reads an answer of LENGTH bytes. With RECORDS they are put into ANSWER (which must have none),
 * with ALIAS query->name and query->links go on; else both stay as they are. When it is believed
 * *authenticated is the AD bit. */
enum dns_verdict dns_packet_parse(struct dns_query *query, struct dns_answer *answer,
                                  bool *authenticated, unsigned char const *bytes, size_t length);

#endif
