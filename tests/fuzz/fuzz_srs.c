/* Local parts that look like rewritten senders: nothing is reversed that no key has signed, and
 * what is rewritten comes back as it was. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/srs.h"

#define NOW 1700000000

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size);

static char const key[] = "a key that no fuzzer guesses";
static struct secret_keys const keys = {.bytes = key, .size = sizeof key};

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size)
{
    static char const host[] = "@host.example";
    char sender[ADDRESS_MAX + 1], rewritten[SRS_SIZE], back[SRS_SIZE];
    if (size == 0 || size > ADDRESS_MAX - sizeof host || memchr(data, 0, size))
        return 0;
    /* Four characters without regard to case: a fuzzer does find a hash, after a million tries. So
     * only that it does no harm is looked at. */
    (void)srs_reverse(back, &keys, (char const *)data, size, NOW);
    memcpy(sender, data, size);
    memcpy(sender + size, host, sizeof host);
    if (!srs_forward(rewritten, &keys, sender, "d.example", NOW))
        return 0;
    size_t const local = (size_t)(strrchr(rewritten, '@') - rewritten);
    assert(strlen(rewritten) <= ADDRESS_PATH_MAX - 2);
    assert(address_is_rewritten(rewritten, local));
    assert(srs_reverse(back, &keys, rewritten, local, NOW) == SRS_OK);
    assert(address_is_rewritten(sender, size) || !strcmp(back, sender));
    return 0;
}
