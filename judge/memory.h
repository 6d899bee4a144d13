/* What ekiden-judge remembers, shared by all sessions: two stores (lib/store.h) in its state
 * folder.
 *
 * `kept` is synced, for what took somebody days to earn: triplets that have passed, and networks of
 * such. `recent-BOOT` is not, and is made anew when the machine starts: who waits now, and the
 * counts of the limits. So a flood of strangers costs no flush of the disk, and what is synced
 * is written only when somebody passes for the first time, or once a day. */
#ifndef EKIDEN_MEMORY_H
#define EKIDEN_MEMORY_H

#include <skalibs/ip46.h>

#include "lib/store.h"

enum memory_kept { MEMORY_PASSED, MEMORY_NETWORKS, MEMORY_KEPT_TABLES };
enum memory_recent { MEMORY_WAITING, MEMORY_COUNTS, MEMORY_RECENT_TABLES };

#define MEMORY_TRIPLETS    (1u << 20) /* records at most: that have passed, and that wait */
#define MEMORY_NETWORK_MAX (1u << 18)
#define MEMORY_COUNTS_MAX  (1u << 20)
#define MEMORY_TTL_MAX     (400 * STORE_DAY)
#define MEMORY_WINDOW_MAX  (10 * STORE_DAY)

struct memory {
    struct store kept, recent;
    bool usable; /* false: it failed, and this process goes on without */
    bool read_only;
};

/* Opens both in DIRECTORY, the state folder, which becomes the working directory: before the fence.
 * READ_ONLY writes nothing (`ekiden explain`), and -1 is as an empty folder then. Otherwise it is a
 * failure; others are logged, and all goes on without. */
void memory_open(struct memory *memory, int directory, bool read_only);
void memory_close(struct memory *memory);

/* The time that everything here is told: CLOCK_REALTIME in microseconds. */
uint64_t memory_now(void);

/* A network of clients, as bytes of a key: IPv4 is what an IPv6 address that holds one is, too. */
#define MEMORY_NETWORK_SIZE 17
struct memory_network {
    unsigned char bytes[MEMORY_NETWORK_SIZE]; /* address, the bits behind the prefix 0; prefix */
};
struct memory_network memory_network(ip46 const *client, unsigned int prefix4,
                                     unsigned int prefix6);

#endif
