/* What ekiden-remote may still do. */
#ifndef EKIDEN_REMOTE_FENCE_H
#define EKIDEN_REMOTE_FENCE_H

#include <stdbool.h>

/* For the master: reads files, forks, and starts no program. What it forks inherits that, and can
 * enter the fence below besides. */
void remote_fence_enter_master(void);

/* For whatever talks to other hosts: sockets and memory; no file, no program, no process. After
 * this only descriptors that are open already can be read. SOCKET: its way is to a socket of this
 * host (LMTP); else it can have none to connect to one.
 * Both die with exit 111 on failure. */
void remote_fence_enter(bool socket);

#endif
