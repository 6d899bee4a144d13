/* How many checks go on at once on this machine, for one state folder: a flood of AUTH must not eat
 * its memory and its processors. A slot is a lock, which ends with the process, however that ends.
 */
#ifndef EKIDEN_SLOTS_H
#define EKIDEN_SLOTS_H

#include <stdbool.h>

#include "lib/store.h"

#define SLOTS_HASHES  4  /* 16 MiB and 20 ms of a processor each */
#define SLOTS_FOREIGN 20 /* programs, which may wait for a directory service */

/* Takes one; waits for it until the caller's deadline comes as a signal. False: errno. */
bool slots_take(struct store const *store, bool foreign);

#endif
