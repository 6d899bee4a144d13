/* The lock that a transaction holds: a byte of the folder's lock file. It ends with its process. */
#ifndef EKIDEN_STORE_LOCK_H
#define EKIDEN_STORE_LOCK_H

#include "lib/store.h"

/* Waits for as long as the store's form says; to read only, shared with those that do the same.
 * False: errno, EINTR when it took too long. */
bool store_lock_take(struct store const *store);
void store_lock_release(struct store const *store);

#endif
