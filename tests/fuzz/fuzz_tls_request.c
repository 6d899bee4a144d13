/* Requests for TLS: whatever parses keeps to its bounds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tls/tls_request.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length);

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length)
{
    struct tls_request request;
    if (length > TLS_REQUEST_MAX || !tls_request_parse(&request, (char const *)bytes, length))
        return 0;
    if (request.seconds < 1 || request.seconds > TLS_SECONDS_MAX)
        abort();
    if (request.role != TLS_SERVER && request.role != TLS_CLIENT)
        abort();
    if (strnlen(request.name, sizeof request.name) > TLS_NAME_MAX)
        abort();
    if (request.role == TLS_CLIENT && request.level == TLS_VERIFY && !request.name[0])
        abort();
    return 0;
}
