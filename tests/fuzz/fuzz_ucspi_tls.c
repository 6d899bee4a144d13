/* What an engine of UCSPI-TLS says: whatever it is, there are three texts afterwards, printable and
 * ended. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd/ucspi_tls.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length);

static void check(char const *text, size_t size)
{
    size_t const length = strnlen(text, size);
    if (length == size)
        abort();
    for (size_t i = 0; i < length; i++)
        if (text[i] < 0x20 || text[i] > 0x7e)
            abort();
}

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length)
{
    static struct ucspi_tls_text text;
    struct tls_answer answer = {.kind = TLS_HANDSHAKE};
    if (length > sizeof text.bytes)
        return 0;
    memcpy(text.bytes, bytes, length);
    text.length = length;
    ucspi_tls_parse(&answer, &text);
    check(answer.version, sizeof answer.version);
    check(answer.suite, sizeof answer.suite);
    check(answer.name, sizeof answer.name);
    return 0;
}
