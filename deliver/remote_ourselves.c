#include "deliver/remote_ourselves.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/ip.h"

static bool take_address(struct sockaddr const *address, ip46 *ip)
{
    if (!address)
        return false;
    if (address->sa_family == AF_INET) {
        struct sockaddr_in ipv4;
        memcpy(&ipv4, address, sizeof ipv4);
        ip46_from_ip4(ip, &ipv4.sin_addr);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 ipv6;
        memcpy(&ipv6, address, sizeof ipv6);
        ip46_from_ip6(ip, &ipv6.sin6_addr);
        return true;
    }
    return false;
}

bool remote_ourselves_load(struct remote_ourselves *ourselves, struct networks const *more,
                           struct networks const * not )
{
    struct ifaddrs *list;
    size_t count = 0;
    *ourselves = (struct remote_ourselves){.more = more, .not = not };
    if (getifaddrs(&list) < 0)
        return false;
    for (struct ifaddrs const *each = list; each; each = each->ifa_next)
        count++;
    ourselves->interfaces = calloc(count ? count : 1, sizeof *ourselves->interfaces);
    if (ourselves->interfaces)
        for (struct ifaddrs const *each = list; each; each = each->ifa_next)
            if (take_address(each->ifa_addr, ourselves->interfaces + ourselves->count))
                ourselves->count++;
    freeifaddrs(list);
    if (!ourselves->interfaces)
        errno = ENOMEM;
    return ourselves->interfaces != NULL;
}

void remote_ourselves_free(struct remote_ourselves *ourselves)
{
    free(ourselves->interfaces);
    ourselves->interfaces = NULL;
    ourselves->count = 0;
}

/* ::ffff:a.b.c.d and IPv4 are one address to the kernel. */
static void plain(ip46 *out, ip46 const *ip)
{
    if (ip46_is6(ip))
        ip_from_bytes(out, ip->ip);
    else
        *out = *ip;
}

static size_t size_of(ip46 const *ip)
{
    return ip46_is6(ip) ? 16 : 4;
}

static bool is_unspecified(ip46 const *ip)
{
    /* All of 0/8: a kernel may take any of it for itself. */
    static char const none[16];
    return ip46_is6(ip) ? memcmp(ip->ip, none, sizeof none) == 0 : ip->ip[0] == 0;
}

bool remote_ourselves_except(struct remote_ourselves const *ourselves, ip46 const *ip)
{
    return networks_contain(ourselves->not, ip);
}

bool remote_ourselves_have(struct remote_ourselves const *ourselves, ip46 const *ip)
{
    ip46 address;
    plain(&address, ip);
    if (is_unspecified(&address))
        return true;
    if (remote_ourselves_except(ourselves, &address))
        return false;
    if (ip_is_loopback(&address) || networks_contain(ourselves->more, &address))
        return true;
    for (size_t i = 0; i < ourselves->count; i++)
        if (ip46_is6(&ourselves->interfaces[i]) == ip46_is6(&address) &&
            memcmp(ourselves->interfaces[i].ip, address.ip, size_of(&address)) == 0)
            return true;
    return false;
}
