/* The look-ups of one session: each name once, what came is kept for the session, and there is a
 * bound to their number, to those at one time, and to the time that they take in all. */
#ifndef EKIDEN_ASKING_H
#define EKIDEN_ASKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <skalibs/iopause.h>
#include <skalibs/tai.h>

#include "lib/dns.h"
#include "lib/dns_batch.h"

#define ASKING_MAX       512 /* look-ups of a session */
#define ASKING_AT_ONCE   48  /* each may hold 64 KiB while it is asked by TCP */
#define ASKING_ADDRESSES 64  /* that are kept of an answer */
#define ASKING_NAMES     16  /* the same for MX and PTR, of at most 253 bytes each */
#define ASKING_TEXT      250 /* bytes that are kept of a TXT record; of several records the first */

/* Whose name servers answer. A client chooses names that are its own, and may have name servers
 * that take all the time there is: a part of it, at the end, is kept for those whom the operator
 * chose, or no list would be asked about what such a client says afterwards. */
enum asking_whom { ASKING_STRANGERS, ASKING_LISTS };
#define ASKING_KEPT 4 /* the last of so many parts of the time is for lists */

struct lookup {
    struct dns_answer answer; /* cut to the above */
    bool finished;
    enum asking_whom whom;
    enum dns_type type;
    char *name;
};

struct asking {
    struct dns_batch batch;
    struct lookup *lookups[ASKING_MAX]; /* owned, in the order in which they were wanted */
    size_t count;
    size_t begun;  /* of these; the others wait until there is room */
    tain kept;     /* of the time, for lists */
    tain left;     /* of the time, while none is under way */
    tain deadline; /* while one is */
    bool under_way;
    bool exhausted; /* more was wanted than ASKING_MAX */
};

/* SERVERS must outlive *asking, which must not move. SECONDS: the time that look-ups may be under
 * way, all in all. (It does not run while none is: a client that waits must not wear it out.) */
void asking_start(struct asking *asking, struct dns_servers const *servers, uint64_t seconds);

/* The look-up of NAME with WHOM, begun when it is wanted for the first time; it stays for good.
 * Never NULL: what is too much (then asking->exhausted is set), or out of memory or time, is
 * finished with DNS_TEMPORARY. */
struct lookup const *asking_look_up(struct asking *asking, enum asking_whom whom, char const *name,
                                    enum dns_type type);

/* As dns_batch_waits and dns_batch_serve. */
unsigned int asking_waits(struct asking const *asking, iopause_fd waits[DNS_ASK_MAX],
                          tain *deadline);
void asking_serve(struct asking *asking, iopause_fd const waits[DNS_ASK_MAX]);

#endif
