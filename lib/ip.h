/* Addresses of hosts. An IPv4 address that is written as IPv6 (::ffff:a.b.c.d) is the IPv4 address:
 * for the kernel they are one. */
#ifndef EKIDEN_IP_H
#define EKIDEN_IP_H

#include <stdbool.h>

#include <skalibs/ip46.h>

/* Sets IP to the 16 bytes of an IPv6 address. */
void ip_from_bytes(ip46 *ip, char const bytes[static 16]);

/* Reads TEXT, as inet_pton does. False, and *ip is untouched, where it is no address. */
bool ip_scan(ip46 *ip, char const *text);

bool ip_is_same(ip46 const *one, ip46 const *other);

/* 127.0.0.0/8 or ::1. */
bool ip_is_loopback(ip46 const *ip);

#endif
