/* The message's bytes in pieces of any size, against the plain reference: as after DATA, or as in
 * chunks. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hops.h"
#include "tests/unit/data_reference.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t size);

static void check(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t size)
{
    if (size < 1)
        return 0;
    size_t length = size - 1, done = 0, out_length = 0;
    char const *wire = (char const *)bytes + 1;
    unsigned int piece = bytes[0] % 64 + 1u;
    enum data_form const form = bytes[0] & 64 ? DATA_CHUNKS : DATA_DOTTED;
    char *expected = malloc(size + 1), *out = malloc(size + 1);
    struct data data;
    struct hops hops;
    bool finished = false;
    check(expected && out);
    struct reference reference = form == DATA_CHUNKS
                                     ? reference_decode_chunks(wire, length, expected)
                                     : reference_decode(wire, length, expected);

    data_start(&data, form);
    hops_start(&hops);
    while (!finished && done < length) {
        size_t used, produced, now = length - done < piece ? length - done : piece;
        char *buffer = malloc(now); /* exactly as long, for the sanitizer */
        check(buffer != 0);
        memcpy(buffer, wire + done, now);
        finished = data_decode(&data, buffer, now, &used, &produced);
        check(produced <= used && used <= now && (finished || used == now));
        memcpy(out + out_length, buffer, produced);
        hops_add(&hops, buffer, produced);
        out_length += produced;
        done += used;
        piece = piece * 7 % 61 + 1;
        free(buffer);
    }
    if (form == DATA_CHUNKS) {
        check(!finished);
        finished = true;
        out_length += data_finish(&data, out + out_length);
    }
    check(finished == reference.finished && done == reference.used);
    if (finished)
        check(data.defects == reference.defects);
    if (finished && !data.defects) {
        check(out_length == reference.produced && memcmp(out, expected, out_length) == 0);
        check(memchr(out, '\r', out_length) == 0 && memchr(out, 0, out_length) == 0);
    }
    check(hops.count <= length / strlen("received:"));
    free(expected);
    free(out);
    return 0;
}
