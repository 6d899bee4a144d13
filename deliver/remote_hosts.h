/* A look-up on its way, and its second half: from hosts in order of preference to candidates. */
#ifndef EKIDEN_REMOTE_HOSTS_H
#define EKIDEN_REMOTE_HOSTS_H

#include "deliver/remote_exchangers.h"

struct remote_look_up {
    struct remote_world const *world;
    struct remote_candidates *candidates;
    char const *host; /* as it was given, for texts */
    bool by_mx;
    tain const *deadline;
    struct failure *failure;
};

/* Set the failure and return false: "CODE HOST TEXT"; that the DNS gave no answer; and, for a host
 * that a smtproute names, the same as a failure that waits for the operator. */
bool remote_look_up_fail(struct remote_look_up const *look_up, enum job_result result,
                         char const *code, char const *text);
bool remote_look_up_fail_temporary(struct remote_look_up const *look_up,
                                   struct dns_answer const *answer);
bool remote_look_up_fail_unknown(struct remote_look_up const *look_up, char const *code,
                                 char const *text);

/* A host that mail could go to. */
struct remote_host {
    uint16_t preference;
    uint32_t order;   /* random: among those of one preference */
    char const *name; /* the caller's */
    struct dns_answer const *ipv6, *ipv4;
    bool ours;
};
struct remote_hosts {
    struct remote_host entries[REMOTE_LOOKED_AT_MAX];
    unsigned int count;
};

/* Asks for the addresses of HOSTS, which are in order, all at the same time, and fills the
 * candidates: remote_exchangers_find says how. False with the failure set. */
bool remote_hosts_find(struct remote_look_up *look_up, struct remote_hosts *hosts);

/* Adds IP of the host NAME, unless it is there already or there is no room; true when it was added.
 */
bool remote_candidates_add(struct remote_candidates *candidates, ip46 const *ip, char const *name);

#endif
