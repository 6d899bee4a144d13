/* One DNS question: its name in the form that we compare, and the packet. RFC 1035 section 4.1. */
#ifndef EKIDEN_DNS_QUERY_H
#define EKIDEN_DNS_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/dns.h"

#define DNS_QUERY_MAX (12 + 255 + 4 + 11) /* bytes: header, name, type and class, OPT */
#define DNS_UDP_SIZE  1232 /* bytes we ask for: below every MTU, so that nothing is fragmented */

/* What is asked at the moment. */
struct dns_query {
    char name[DNS_NAME_MAX]; /* by dns_query_name, or the target of a CNAME */
    enum dns_type type;
    uint16_t id;
    bool edns;
    unsigned int links; /* of the chain of CNAMEs that led to NAME */
};

/* NAME in the one form that we compare: presentation form, lower case, no last dot, "." for the
 * root. False for what is no name: empty, an empty label, one of more than 63 bytes, more than 255
 * bytes in all, bytes that are not printable ASCII, a bad escape. */
bool dns_query_name(char out[DNS_NAME_MAX], char const *name);

/* Makes the ASCII letters of TEXT small. */
void dns_query_lower(char *text);

/* Writes the question: RD and AD (RFC 6840 section 5.7: "tell me whether it is authenticated")
 * set, with OPT when query->edns. Returns its length. */
size_t dns_query_build(unsigned char bytes[DNS_QUERY_MAX], struct dns_query const *query);

#endif
