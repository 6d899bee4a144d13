/* Addresses that look like signed ones: what is said of them does no harm, and what is signed comes
 * back as it was. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/batv.h"

#define NOW 1700000000

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size);

static char const key[] = "a key that no fuzzer guesses";
static struct secret_keys const keys = {.bytes = key, .size = sizeof key};

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size)
{
    char const *const address = (char const *)data;
    char given[BATV_SIZE];
    if (size > ADDRESS_MAX)
        return 0;
    /* Six digits: a fuzzer does find them, after many tries. So no result is excluded. */
    enum batv_result const result = batv_check(&keys, address, size, NOW);
    assert(batv_has_form(address, size) == (result != BATV_FORM));
    assert(result == BATV_FORM || size > BATV_TAG_LENGTH + 1);
    if (!batv_fits(address, size))
        return 0;
    assert(result == BATV_FORM);
    batv_sign(given, &keys, address, size, NOW);
    size_t const length = size + BATV_TAG_LENGTH;
    assert(length <= ADDRESS_PATH_MAX - 2);
    assert(memcmp(given + BATV_TAG_LENGTH, data, size) == 0 && given[length] == 0);
    assert(batv_check(&keys, given, length, NOW) == BATV_OK);
    assert(!batv_fits(given, length));
    return 0;
}
