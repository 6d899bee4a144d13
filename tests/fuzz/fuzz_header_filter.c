/* The header filter: pieces of any size give what the whole gives, and nothing is added. The first
 * byte is the size of the pieces. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/header_filter.h"

#define RECIPIENT "ann@example.org"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length);

static char *run(char const *bytes, size_t length, size_t piece, size_t *passed, bool *loop)
{
    struct header_filter filter;
    char *const out = malloc(length + 2 * HEADER_FILTER_HELD_MAX);
    *passed = 0;
    if (!out)
        abort();
    header_filter_start(&filter, RECIPIENT, strlen(RECIPIENT));
    for (size_t done = 0; done < length;) {
        size_t const taken = piece < length - done ? piece : length - done;
        *passed += header_filter_pass(&filter, bytes + done, taken, out + *passed);
        done += taken;
    }
    *passed += header_filter_end(&filter, out + *passed);
    *loop = filter.loop;
    return out;
}

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length)
{
    if (length < 2)
        return 0;
    char const *const message = (char const *)bytes + 1;
    size_t const piece = (size_t)bytes[0] % 64 + 1;
    size_t whole_length, pieces_length, again_length;
    bool whole_loop, pieces_loop, again_loop;
    char *const whole = run(message, length - 1, length, &whole_length, &whole_loop);
    char *const pieces = run(message, length - 1, piece, &pieces_length, &pieces_loop);
    if (whole_length > length - 1 || whole_length != pieces_length ||
        memcmp(whole, pieces, whole_length) != 0 || whole_loop != pieces_loop)
        abort();
    char *const again = run(whole, whole_length, piece, &again_length, &again_loop);
    if (again_loop != whole_loop || again_length > whole_length)
        abort();
    free(whole);
    free(pieces);
    free(again);
    return 0;
}
