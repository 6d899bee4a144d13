/* Checksums of queue files: XXH3, 64 bits. Not against forgery (whoever can write the queue can
 * forge mail), but against disks, editors and half-written files. */
#ifndef EKIDEN_CHECKSUM_H
#define EKIDEN_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#ifndef XXH_STATIC_LINKING_ONLY
#define XXH_STATIC_LINKING_ONLY /* for the size of the state */
#endif
#include <xxhash.h>

struct checksum {
    XXH3_state_t state;
};

void checksum_start(struct checksum *checksum);
/* The same with a KEY, a random number: who does not know it cannot find two inputs with one sum.
 */
void checksum_start_keyed(struct checksum *checksum, uint64_t key);
void checksum_add(struct checksum *checksum, void const *bytes, size_t length);
uint64_t checksum_end(struct checksum const *checksum);

#endif
