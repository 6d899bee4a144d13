/* DNS: questions to the configured name servers, several at once, with a deadline.
 *
 * Packets are built and parsed with libresolv (which is what everybody's packets meet), and sent by
 * this module: UDP with a random port and id a try, answers matched by id, server and question,
 * EDNS0, TCP for truncated answers, several servers and tries. Whole-second timeouts and hidden
 * retries, as in res_query, are what it avoids. */
#ifndef EKIDEN_DNS_H
#define EKIDEN_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <skalibs/ip46.h>
#include <skalibs/stralloc.h>
#include <skalibs/tai.h>

#include "lib/control.h"

#define DNS_SERVERS_MAX 8
#define DNS_ASK_MAX     64   /* questions of one call */
#define DNS_NAME_MAX    1025 /* presentation form of a name, with its NUL */
#define DNS_CNAME_MAX   8    /* links of a chain; a longer one is DNS_TEMPORARY (J03) */
#define DNS_RECORDS_MAX 1000 /* records of one answer that are looked at */

struct dns_server {
    ip46 ip;
    uint16_t port;
    bool trusted; /* its AD bit is believed: a loopback address, or marked in `nameservers` */
};
struct dns_servers {
    struct dns_server servers[DNS_SERVERS_MAX];
    unsigned int count;
};

/* Loads the control file `nameservers` (`IP`, `IP:PORT`, `[IPv6]:PORT`, and ` trusted` behind it);
 * when absent the `nameserver` lines of RESOLV_CONF (a path; NULL: /etc/resolv.conf); when that has
 * none 127.0.0.1. */
enum control_result dns_servers_load(struct dns_servers *servers, struct control const *control,
                                     char const *resolv_conf, struct control_error *error);

enum dns_type { DNS_A = 1, DNS_CNAME = 5, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28 };

enum dns_status {
    DNS_OK,        /* at least one record of the type */
    DNS_NO_NAME,   /* NXDOMAIN */
    DNS_NO_DATA,   /* the name exists, without such a record */
    DNS_TEMPORARY, /* SERVFAIL, REFUSED, silence, garbage, a CNAME loop: ask again later */
    DNS_BAD_NAME   /* what was asked for is not a name that DNS can hold */
};

struct dns_record {
    uint16_t preference; /* MX */
    ip46 ip;             /* A, AAAA */
    char const *text;    /* MX, PTR, CNAME: the host in presentation form, lower case, without
                            its last dot, "" for the root; TXT: the strings joined. Into the answer. */
    size_t length;       /* of text; TXT may hold any bytes */
};
struct dns_answer {
    enum dns_status status;
    bool authenticated;         /* AD, from a trusted server, for every link of the chain */
    struct dns_record *records; /* owned */
    size_t count;
    stralloc bytes; /* owned: what the texts point into */
};

struct dns_question {
    char const *name; /* NUL-terminated, ASCII (A-labels), with or without a last dot */
    enum dns_type type;
};

/* Asks COUNT questions (at most DNS_ASK_MAX) at the same time and returns when all are answered or
 * DEADLINE (absolute, by the clock of tain_now) has passed. Follows CNAMEs. ANSWERS has COUNT
 * entries, which need no initialisation and must be freed. Never fails as a whole: without memory
 * or sockets the answers are DNS_TEMPORARY. The caller keeps TAIN's global stamp valid
 * (tain_now_g).
 */
void dns_ask(struct dns_servers const *servers, struct dns_question const *questions,
             struct dns_answer *answers, size_t count, tain const *deadline);
void dns_answer_free(struct dns_answer *answer);

#endif
