/* Routes: whatever is taken keeps to the bounds and to what its header promises. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/smtproutes_parse.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length);

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length)
{
    struct smtproute route, again;
    if (smtproutes_parse(&route, (char const *)bytes, length) ||
        smtproutes_parse(&again, (char const *)bytes, length))
        return 0;
    if (!smtproutes_are_same(&route, &again))
        abort();
    if (route.count == 0 || route.count > SMTPROUTES_HOSTS_MAX)
        abort();
    for (unsigned int i = 0; i < route.count; i++)
        if ((route.hosts[i].port == 0) != smtproutes_is_socket(route.hosts[i].name) ||
            (smtproutes_is_socket(route.hosts[i].name) &&
             (!route.hosts[i].lmtp || route.hosts[i].implicit ||
              strlen(route.hosts[i].name) >= SMTPROUTES_SOCKET_MAX)) ||
            (route.by_mx && route.hosts[i].lmtp) ||
            !memchr(route.hosts[i].name, 0, SMTPROUTES_HOST_MAX) ||
            route.by_mx != !route.hosts[i].name[0] ||
            (route.hosts[i].implicit && route.tls.level != TLSPOLICY_UNSET &&
             route.tls.level < TLSPOLICY_ENCRYPT))
            abort();
    if (route.by_mx && (route.count > 1 || route.auth[0]))
        abort();
    if (!memchr(route.auth, 0, sizeof route.auth) || (route.clear_auth && !route.auth[0]) ||
        (route.tls.name[0] && route.tls.level != TLSPOLICY_VERIFY))
        abort();
    return 0;
}
