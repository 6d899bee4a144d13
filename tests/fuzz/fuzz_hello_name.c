/* Names in a ClientHello: whatever parses keeps to its bounds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tls/hello_name.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length);

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length)
{
    char name[KEY_NAME_MAX + 1];
    if (!hello_name(bytes, length, name))
        return 0;
    size_t const found = strnlen(name, sizeof name);
    if (found > KEY_NAME_MAX || (found && !memmem(bytes, length, name, found)))
        abort();
    return 0;
}
