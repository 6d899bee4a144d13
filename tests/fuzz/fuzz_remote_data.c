/* A message on its way to the wire, in pieces of any size, against the plain reference: no bare CR
 * or LF, no dot that ends it early. In chunks: the
 * lines as they are. The first byte is the size of the pieces. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/remote_data.h"
#include "tests/unit/remote_data_reference.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length);

static void check(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length)
{
    if (length < 1)
        return 0;
    char const *const message = (char const *)bytes + 1;
    size_t const piece = (size_t)bytes[0] % 64 + 1;
    length--;
    char *const lines = malloc(2 * length + 2), *const expected = malloc(4 * length + 8),
                *const out = malloc(2 * length + REMOTE_DATA_END_MAX);
    check(lines && expected && out);
    size_t const lines_length = reference_lines(message, length, lines);
    size_t const expected_length = reference_stuff(lines, lines_length, expected);
    struct remote_data data;
    size_t used = 0;
    remote_data_start(&data, REMOTE_DATA_DOTTED);
    for (size_t done = 0; done < length;) {
        size_t const now = length - done < piece ? length - done : piece;
        used += remote_data_encode(&data, message + done, now, out + used);
        done += now;
    }
    used += remote_data_end(&data, out + used);
    check(used == expected_length && memcmp(out, expected, used) == 0);
    char const *const end = used >= 5 ? memmem(out, used, "\r\n.\r\n", 5) : 0;
    check(end ? end == out + used - 5 : used == 3);
    remote_data_start(&data, REMOTE_DATA_CHUNKS);
    used = 0;
    for (size_t done = 0; done < length;) {
        size_t const now = length - done < piece ? length - done : piece;
        used += remote_data_encode(&data, message + done, now, out + used);
        done += now;
    }
    used += remote_data_end(&data, out + used);
    check(used == lines_length && memcmp(out, lines, used) == 0);
    free(lines);
    free(expected);
    free(out);
    return 0;
}
