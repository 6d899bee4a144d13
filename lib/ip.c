#include "lib/ip.h"

#include <arpa/inet.h>
#include <string.h>

void ip_from_bytes(ip46 *ip, char const bytes[static 16])
{
    static unsigned char const mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (memcmp(bytes, mapped, sizeof mapped) == 0)
        ip46_from_ip4(ip, bytes + sizeof mapped);
    else
        ip46_from_ip6(ip, bytes);
}

bool ip_scan(ip46 *ip, char const *text)
{
    char bytes[16];
    if (inet_pton(AF_INET, text, bytes) == 1)
        ip46_from_ip4(ip, bytes);
    else if (inet_pton(AF_INET6, text, bytes) == 1)
        ip_from_bytes(ip, bytes);
    else
        return false;
    return true;
}

bool ip_is_same(ip46 const *one, ip46 const *other)
{
    return ip46_is6(one) == ip46_is6(other) &&
           memcmp(one->ip, other->ip, ip46_is6(one) ? 16 : 4) == 0;
}

bool ip_is_loopback(ip46 const *ip)
{
    return ip46_is6(ip) ? memcmp(ip->ip, IP6_LOCAL, 16) == 0 : ip->ip[0] == 127;
}
