/* A line of the control files `dnsbl` and `rhsbl`: a list in the DNS (RFC 5782), and what its
 * answers mean.
 *
 *   [+]ZONE [VALUES] [weight=N] [for=helo|sender] [TEXT...] */
#ifndef EKIDEN_DNSBL_LINE_H
#define EKIDEN_DNSBL_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <skalibs/ip46.h>

#define DNSBL_ZONE_MAX   180 /* bytes: in front of it there is room for an IPv6 address */
#define DNSBL_TEXT_MAX   200
#define DNSBL_RANGES_MAX 16
#define DNSBL_WEIGHT_MAX 1000

/* IPv4 addresses as numbers, both ends included. */
struct dnsbl_range {
    uint32_t first, last;
};

struct dnsbl {
    bool allow;          /* `+`: who is in it is welcome */
    bool helo, sender;   /* rhsbl: which domains are looked up */
    unsigned int weight; /* default 1; 0 for an allow list */
    unsigned int line;   /* the loader's */
    bool is_reported;    /* the asker's: an error of the list was logged */
    size_t range_count;  /* 0: all that a list answers by */
    struct dnsbl_range ranges[DNSBL_RANGES_MAX];
    char zone[DNSBL_ZONE_MAX + 1];
    char text[DNSBL_TEXT_MAX + 1]; /* of the reply; empty: what the list says */
};

/* Reads a line. DOMAINS: of `rhsbl`, where for= is known. Returns NULL, or what was expected. */
char const *dnsbl_line_parse(struct dnsbl *list, char const *line, size_t length, bool domains);

enum dnsbl_meaning {
    DNSBL_LISTED,
    DNSBL_OTHER, /* a value that the line does not count */
    DNSBL_ERROR  /* no answer about what was asked: outside 127.0.0.0/8 (a zone that was sold), in
                    127.255.255.0/24 (who asks is not let), 127.0.0.1 (RFC 5782 section 2.1 begins
                    behind it; some say so that who asks is not let), unless the line counts that */
};

/* What it means that the list answers with IP (of an A record). */
enum dnsbl_meaning dnsbl_line_meaning(struct dnsbl const *list, ip46 const *ip);

#endif
