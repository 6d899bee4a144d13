/* address_parse_path on any bytes: within bounds, and what it accepts survives quoting. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/address.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t size);

static void check(bool condition)
{
    if (!condition)
        abort();
}

/* The wire's form of an accepted address means the same address. */
static void check_quoted(struct address const *address)
{
    stralloc path = STRALLOC_ZERO;
    struct address again;
    size_t consumed;
    check(stralloc_append(&path, '<') && address_quote(&path, address->bytes, address->length) &&
          stralloc_append(&path, '>'));
    enum address_result result = address_parse_path(&again, path.s, path.len, true, &consumed);
    /* A bare local part with an `@` reads as an address: the header warns of it. */
    bool ambiguous =
        address->domain == ADDRESS_DOMAIN_NONE && memchr(address->bytes, '@', address->length);
    if (!ambiguous && result != ADDRESS_TOO_LONG) /* quoting may lengthen a path beyond its limit */
        check(result == ADDRESS_OK && again.length == address->length &&
              memcmp(again.bytes, address->bytes, again.length) == 0 &&
              again.domain == address->domain && consumed == path.len);
    stralloc_free(&path);
}

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t size)
{
    struct address address;
    size_t consumed;
    if (size == 0)
        return 0;
    bool utf8 = bytes[0] & 1;
    char *text = malloc(size); /* exactly as long: a sanitizer sees a read beyond it */
    check(text != 0);
    memcpy(text, bytes + 1, size - 1);
    if (address_parse_path(&address, text, size - 1, utf8, &consumed) == ADDRESS_OK) {
        size_t length;
        char const *domain = address_domain(&address, &length);
        check(consumed <= size - 1 && consumed <= ADDRESS_PATH_MAX && text[consumed - 1] == '>');
        check(address.length <= ADDRESS_MAX && address.bytes[address.length] == 0);
        check(strlen(address.bytes) == address.length);
        check(address_is_utf8(address.bytes, address.length));
        check(memchr(domain, '@', length) == 0 &&
              domain + length == address.bytes + address.length);
        check(address.domain == ADDRESS_DOMAIN_NONE      ? length == 0
              : address.domain == ADDRESS_DOMAIN_LITERAL ? address_is_literal(domain, length)
                                                         : address_is_domain(domain, length, utf8));
        check_quoted(&address);
    }
    (void)address_is_domain(text, size - 1, utf8);
    (void)address_is_literal(text, size - 1);
    (void)address_is_utf8(text, size - 1);
    free(text);
    return 0;
}
