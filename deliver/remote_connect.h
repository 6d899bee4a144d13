/* A connection to one address, or to a socket of this host. */
#ifndef EKIDEN_REMOTE_CONNECT_H
#define EKIDEN_REMOTE_CONNECT_H

#include <stdbool.h>
#include <stdint.h>

#include <skalibs/ip46.h>
#include <skalibs/tai.h>

#include "deliver/failure.h"
#include "deliver/remote_ourselves.h"
#include "deliver/remote_settings.h"

/* Connects to IP at PORT from `outgoingip`, until DEADLINE. Returns a non-blocking descriptor; -1
 * with *failure, JOB_UNREACHABLE, 4.4.1 and what PEER (for texts) did, or JOB_DEFERRED and 4.3.5
 * for an unusable `outgoingip`.
 * OURSELVES, when not NULL, refuses an address that is this host's after all (local by a route, or
 * come up a moment ago): 4.4.6. */
int remote_connect(ip46 const *ip, uint16_t port, char const *peer,
                   struct remote_settings const *settings, struct remote_ourselves const *ourselves,
                   tain const *deadline, struct failure *failure);

/* The same for the socket at PATH (shorter than SMTPROUTES_SOCKET_MAX). It is there or it is not:
 * nothing is waited for. */
int remote_connect_socket(char const *path, struct failure *failure);

#endif
