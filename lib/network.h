/* Address ranges: a list of IPv4 and IPv6 networks, one a line, `!` excludes.
 *
 * `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32`, `!192.0.2.7`. The most specific entry that holds
 * the address decides; of equals the last. Bits beyond the prefix must be zero. A range that is
 * written as IPv6 and is wider than ::ffff:0:0/96 never holds an IPv4 address. */
#ifndef EKIDEN_NETWORK_H
#define EKIDEN_NETWORK_H

#include <stdbool.h>
#include <stddef.h>

#include <skalibs/ip46.h>

#include "lib/control.h"

struct network {
    unsigned char address[16]; /* IPv4 as ::ffff:a.b.c.d, so that one comparison serves both */
    unsigned char prefix;      /* 0..128, in bits of the 16 bytes */
    bool excluded;
    unsigned int number; /* of its line */
};

struct networks {
    struct network *entries; /* owned; the longest prefix first, each range once, then by address */
    size_t count, space;
};
#define NETWORKS_ZERO                                                                              \
    {                                                                                              \
        .entries = 0, .count = 0, .space = 0                                                       \
    }

/* Loads NAME. A range shorter than MINIMUM4 (IPv4) or MINIMUM6 (IPv6) bits is an error, because a
 * list that opens relaying must not hold the whole Internet; `!` entries may be of any length, and
 * private ranges (10/8, fc00::/7, fe80::/10) of their full length. Where IPv6 embeds all of IPv4
 * (::ffff:0:0/96, 64:ff9b::/96, 2002::/16) MINIMUM4 holds for the embedded part. Pass 0 for no
 * limit. On ERROR *networks is untouched; on ABSENT it is the empty list. */
enum control_result networks_load(struct networks *networks, struct control const *control,
                                  char const *name, unsigned int minimum4, unsigned int minimum6,
                                  struct control_error *error);
void networks_free(struct networks *networks);

/* Parses one entry as it stands in a file; its number is 0. */
bool network_parse(char const *text, size_t length, struct network *network);

/* The entry that decides about IP; 0: none holds it. ::ffff:a.b.c.d is the IPv4 address. */
struct network const *networks_find(struct networks const *networks, ip46 const *ip);

/* True when IP lies in the list and is not excluded. */
bool networks_contain(struct networks const *networks, ip46 const *ip);

#endif
