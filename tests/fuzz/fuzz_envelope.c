/* The envelope, in pieces of every size: the result must not depend on how it was cut. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/envelope.h"

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size);

static enum envelope_result parse(char const *bytes, size_t length, size_t piece, size_t *used)
{
    struct envelope_parser parser;
    enum envelope_result result = ENVELOPE_MORE;
    *used = 0;
    envelope_start(&parser, piece & 1);
    while (result == ENVELOPE_MORE && *used < length) {
        size_t taken;
        result = envelope_parse(&parser, bytes + *used,
                                length - *used < piece ? length - *used : piece, &taken);
        assert(taken <= length - *used);
        *used += taken;
    }
    return result;
}

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size)
{
    size_t whole, cut;
    char const *const bytes = (char const *)data;
    enum envelope_result const result = parse(bytes, size, 1 << 20, &whole);
    assert(parse(bytes, size, 2, &cut) == result && cut == whole);
    assert(parse(bytes, size, 64, &cut) == result && cut == whole);
    return 0;
}
