/* A stranger's message in pieces of any size, against the plain reference. The first byte is the
 * size of the pieces. */
#include <stdint.h>
#include <stdlib.h>

#include "tests/unit/results_reference.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t size);

static char *out;
static size_t out_length;

static void put(void *context, char const *bytes, size_t length)
{
    (void)context;
    memcpy(out + out_length, bytes, length);
    out_length += length;
}

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t size)
{
    static struct results_filter filter;
    if (size < 1)
        return 0;
    char const *const me = bytes[0] & 64 ? "mx.example.org" : "mx.xn--bcher-kva.example";
    char const *const text = (char const *)bytes + 1;
    size_t const length = size - 1;
    size_t piece = bytes[0] % 64 + 1u;
    char *const expected = malloc(size);
    out = malloc(size);
    out_length = 0;
    if (!expected || !out)
        abort();
    size_t const expected_length = reference_strip(expected, text, length, me);
    results_filter_start(&filter, put, 0, me);
    for (size_t done = 0; done < length;) {
        size_t const now = length - done < piece ? length - done : piece;
        char *const buffer = malloc(now); /* exactly as long, for the sanitizer */
        if (!buffer)
            abort();
        memcpy(buffer, text + done, now);
        results_filter_add(&filter, buffer, now);
        free(buffer);
        done += now;
        piece = piece * 7 % 61 + 1;
    }
    results_filter_end(&filter);
    if (out_length != expected_length || memcmp(out, expected, out_length) != 0)
        abort();
    free(expected);
    free(out);
    return 0;
}
