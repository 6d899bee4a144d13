/* DNS: questions to the configured name servers, several at once, with a deadline.
 *
 * Packets are built and parsed with libresolv (lib/dns_packet.h), and sent by this module: UDP with
 * a random port and id a try, answers matched by id, server and question, EDNS0, TCP for truncated
 * answers, several servers and tries. Whole-second timeouts and hidden retries, as in res_query,
 * are what it avoids.
 *
 * Names go in and come out in presentation form (RFC 1035 section 5.1): an odd byte of a label is
 * \DDD (decimal), a special character has a backslash before it. So whatever a stranger put into
 * the DNS (NUL, LF, ESC, blanks, 8-bit), a name is printable ASCII without blanks here; `;`, `$`,
 * `(` and the like are escaped, but still in it. TXT is any bytes. */
#ifndef EKIDEN_DNS_H
#define EKIDEN_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include <skalibs/ip46.h>
#include <skalibs/stralloc.h>
#include <skalibs/tai.h>

#include "lib/control.h"

#define DNS_SERVERS_MAX 8
#define DNS_ASK_MAX     64           /* questions of one call */
#define DNS_NAME_MAX    1025         /* presentation form of a name, with its NUL */
#define DNS_CNAME_MAX   8            /* links of a chain; a longer one is DNS_TEMPORARY (J03) */
#define DNS_RECORDS_MAX 1000         /* records of one answer that are looked at */
#define DNS_BYTES_MAX   (128u << 10) /* of their texts: what does not fit is left out as well */

/* What dns_ask calls, for the list of a process under lib/sandbox; besides, what malloc does. */
#define DNS_SYSTEM_CALLS                                                                           \
    SYS_socket, SYS_setsockopt, SYS_connect, SYS_sendto, SYS_recvfrom, SYS_close, SYS_ppoll,       \
        SYS_getrandom, SYS_clock_gettime, SYS_gettimeofday

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
 * when it is absent or empty the `nameserver` lines of RESOLV_CONF (a path; NULL:
 * /etc/resolv.conf), from which only loopback addresses are trusted (`options trust-ad` speaks to
 * other programs); when that has none 127.0.0.1. CONTROL_OK, or CONTROL_ERROR with *servers
 * untouched. */
enum control_result dns_servers_load(struct dns_servers *servers, struct control const *control,
                                     char const *resolv_conf, struct control_error *error);

enum dns_type { DNS_A = 1, DNS_CNAME = 5, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28 };

/* As in a zone file. */
char const *dns_type_name(enum dns_type type);

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
                            its last dot, "" for the root; TXT: the strings joined. Into the answer,
                            with a NUL behind it; NULL for A and AAAA. */
    size_t length;       /* of text; TXT may hold any bytes */
};
struct dns_answer {
    enum dns_status status;
    bool authenticated; /* AD, from a trusted server, for every link of the chain */
    char const *reason; /* DNS_TEMPORARY: why, in a few words (of the last try); else NULL */
    struct dns_record *records; /* owned; none unless DNS_OK */
    size_t count;
    stralloc bytes; /* owned: what the texts point into */
};

struct dns_question {
    char const *name; /* NUL-terminated printable ASCII (A-labels), with or without a last dot; "."
                         is the root, "" is DNS_BAD_NAME */
    enum dns_type type;
};

/* Asks COUNT questions (at most DNS_ASK_MAX) at the same time and returns when all are answered or
 * DEADLINE (absolute, by the clock of tain_now) has passed. Follows CNAMEs, except for DNS_CNAME.
 * ANSWERS has COUNT entries, which need no initialisation and must be freed. Never fails as a
 * whole: without memory or sockets the answers are DNS_TEMPORARY. The caller keeps TAIN's global
 * stamp valid (tain_now_g).
 *
 * A server that is silent is left for the next after 1 second in the first round over all servers,
 * and 2, 5, 12 in those after; one that fails (SERVFAIL, REFUSED, what cannot be read, port closed)
 * at once, and is not asked again for that name. When all failed, or after the last round, the
 * answer is DNS_TEMPORARY. So an ample deadline costs 20 seconds a silent server, and a few
 * milliseconds where all servers say SERVFAIL.
 *
 * Bounds: one descriptor a question; besides the answers 2 KiB a question, and 64 KiB while it is
 * asked by TCP; of the answers DNS_RECORDS_MAX records and DNS_BYTES_MAX bytes each. */
void dns_ask(struct dns_servers const *servers, struct dns_question const *questions,
             struct dns_answer *answers, size_t count, tain const *deadline);

/* Frees what ANSWER owns and leaves it empty: may be called twice. */
void dns_answer_free(struct dns_answer *answer);

/* Writes the name under which IP's PTR records are: RFC 1035 section 3.5, RFC 3596 section 2.5. */
#define DNS_REVERSE_MAX 80
void dns_reverse_name(char name[DNS_REVERSE_MAX], ip46 const *ip);

#endif
