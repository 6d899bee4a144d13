/* What a delivery to another host must know from control files. */
#ifndef EKIDEN_REMOTE_SETTINGS_H
#define EKIDEN_REMOTE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include <skalibs/ip46.h>

#include "deliver/remote_credentials.h"
#include "deliver/reuselimit.h"
#include "lib/control.h"
#include "lib/dns.h"
#include "lib/network.h"
#include "lib/table.h"

struct remote_settings {
    char *helo; /* `helohost`: our name to others; default: me. Owned */
    bool has_outgoing4, has_outgoing6;
    ip46 outgoing4, outgoing6;             /* `outgoingip`: the source of connections */
    uint64_t timeoutconnect;               /* seconds for a connection: default 60 */
    uint64_t timeoutremote;                /* seconds for a server's answer at most: default 1200 */
    struct reuselimit reuselimit;          /* how long a connection is used */
    struct dns_servers nameservers;        /* `nameservers`, or the system's */
    struct networks moreipme;              /* further addresses that are ours */
    struct networks notipme;               /* addresses that are not, whatever else says so */
    struct table tlspolicy;                /* lib/tlspolicy.h */
    struct remote_credentials credentials; /* `authroutes` */
};

/* Loads every file. On CONTROL_ERROR *settings is untouched and ERROR names file and line. On
 * CONTROL_OK it is overwritten: what it held before is the caller's to free. */
enum control_result remote_settings_load(struct remote_settings *settings,
                                         struct control const *control,
                                         struct control_error *error);
void remote_settings_free(struct remote_settings *settings);

#endif
