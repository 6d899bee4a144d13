#define XXH_INLINE_ALL /* header only: nothing to link, and the compiler sees through it */
#include "lib/checksum.h"

void checksum_start(struct checksum *checksum)
{
    XXH3_64bits_reset(&checksum->state);
}

void checksum_start_keyed(struct checksum *checksum, uint64_t key)
{
    XXH3_64bits_reset_withSeed(&checksum->state, key);
}

void checksum_add(struct checksum *checksum, void const *bytes, size_t length)
{
    XXH3_64bits_update(&checksum->state, bytes, length);
}

uint64_t checksum_end(struct checksum const *checksum)
{
    return XXH3_64bits_digest(&checksum->state);
}
