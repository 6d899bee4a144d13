/* The world as it is, for remote_exchangers: the DNS, the kernel's random numbers, this host. */
#ifndef EKIDEN_REMOTE_WORLD_H
#define EKIDEN_REMOTE_WORLD_H

#include "deliver/remote_exchangers.h"
#include "deliver/remote_settings.h"

/* WORLD points into OURSELVES and SETTINGS, which must outlive it. Reads the addresses of this
 * host, so before the fence. False after logging; OURSELVES must be freed in both cases. */
bool remote_world_start(struct remote_world *world, struct remote_ourselves *ourselves,
                        struct remote_settings *settings);

#endif
