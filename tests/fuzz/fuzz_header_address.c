/* header_address_next on any bytes: within bounds, ends, and what it finds is safe in an envelope.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/header_address.h"
#include "queue/envelope.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t size);

static void check(bool condition)
{
    if (!condition)
        abort();
}

/* The one parser of envelopes takes it. */
static void check_envelope(struct header_address const *address)
{
    struct envelope_parser parser;
    size_t used;
    envelope_start(&parser, false);
    check(envelope_parse(&parser, "F\0T", 3, &used) == ENVELOPE_MORE);
    check(envelope_parse(&parser, address->bytes, address->length + 1, &used) == ENVELOPE_MORE);
    check(envelope_parse(&parser, "", 1, &used) == ENVELOPE_COMPLETE);
}

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t size)
{
    struct header_address_list list;
    struct header_address address;
    enum header_address_result result;
    char *const text =
        malloc(size + !size); /* exactly as long: a sanitizer sees a read beyond it */
    check(text != 0);
    memcpy(text, bytes, size);
    header_address_start(&list, text, size);
    size_t before = 0, last = 0;
    while ((result = header_address_next(&list, &address)) == HEADER_ADDRESS_ONE) {
        check(list.position > before && list.position <= size);
        check(address.domain >= last && address.domain <= address.end &&
              address.end <= list.position);
        check(address.length <= HEADER_ADDRESS_MAX && address.bytes[address.length] == 0);
        check(strlen(address.bytes) == address.length);
        check(address.has_domain
                  ? address.bytes[address.local_length] == '@' && address.local_length &&
                        !memchr(address.bytes + address.local_length + 1, '@',
                                address.length - address.local_length - 1)
                  : address.local_length == address.length);
        if (address.length)
            check_envelope(&address);
        before = list.position;
        last = address.end;
    }
    check(list.position <= size);
    free(text);
    return 0;
}
