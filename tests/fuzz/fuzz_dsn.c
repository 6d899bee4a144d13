/* Values of RFC 3461's parameters: what is taken holds no control character, also when it is
 * decoded, and in the form for everybody it is one still. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/dsn.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length);

static void check(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length)
{
    char text[DSN_ORCPT_MAX + 2], decoded[DSN_ORCPT_MAX + 2], ascii[DSN_ORCPT_MAX + 1];
    char const *const given = (char const *)bytes;
    bool const envid = dsn_is_envid(given, length), orcpt = dsn_is_orcpt(given, length);
    unsigned int const notify = dsn_parse_notify(given, length);
    if (notify) {
        char const *const letters = dsn_notify_letters(notify);
        char const *const value = dsn_notify_value(notify);
        check(dsn_notify_bits(letters, strlen(letters)) == notify);
        check(dsn_parse_notify(value, strlen(value)) == notify);
    }
    if (!envid && !orcpt)
        return 0;
    check(length <= DSN_ORCPT_MAX);
    memcpy(text, given, length);
    text[length] = 0;
    dsn_decode(decoded, text, length);
    for (char const *c = decoded; *c; c++)
        check(((unsigned char)*c >= ' ' || *c == '\t') && *c != 0x7f);
    if (orcpt && dsn_orcpt_ascii(ascii, text))
        check(dsn_is_orcpt(ascii, strlen(ascii)));
    return 0;
}
