#include "lib/network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IPV4_PREFIX 96 /* bits before an IPv4 address in ::ffff:0:0/96 */
#define EXPECTED    "an address or a range such as 192.0.2.1, 192.0.2.0/24, 2001:db8::/32, !192.0.2.7"

/* A range that is known by itself. */
struct known {
    unsigned char address[16];
    unsigned int prefix;
};

/* ::ffff:0:0/96 comes first: it is how we write IPv4. Then NAT64 (RFC 6052) and 6to4 (RFC 3056). */
static struct known const embeddings[] = {
    {{[10] = 0xff, [11] = 0xff}, IPV4_PREFIX},
    {{0x00, 0x64, 0xff, 0x9b}, 96},
    {{0x20, 0x02}, 16},
};

/* Unique local (RFC 4193) and link-local addresses: nobody from outside has one. */
static struct known const private_ranges[] = {
    {{0xfc}, 7},
    {{0xfe, 0x80}, 10},
};

enum parsed {
    PARSED,
    PARSED_SYNTAX,
    PARSED_BITS /* bits beyond the prefix are set */
};

static bool same_bits(unsigned char const *left, unsigned char const *right, unsigned int bits)
{
    unsigned int bytes = bits / 8, rest = bits % 8;
    return !memcmp(left, right, bytes) &&
           (rest == 0 || ((left[bytes] ^ right[bytes]) >> (8 - rest)) == 0);
}

static void clear_bits_from(unsigned char *address, unsigned int bits)
{
    for (unsigned int i = 0; i < 16; i++) {
        if (i * 8 >= bits)
            address[i] = 0;
        else if (i * 8 + 8 > bits)
            address[i] = (unsigned char)(address[i] & (0xffu << (8 - (bits - i * 8))));
    }
}

static void map_ipv4(unsigned char *address, void const *ipv4)
{
    memset(address, 0, 10);
    memset(address + 10, 0xff, 2);
    memcpy(address + 12, ipv4, 4);
}

/* One to three digits, no sign, no leading zero (is 010 ten or eight?), at most MAXIMUM. */
static bool scan_prefix(char const *text, unsigned int maximum, unsigned int *prefix)
{
    size_t length = strlen(text);
    unsigned int sum = 0;
    if (length == 0 || length > 3 || (length > 1 && *text == '0'))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        sum = sum * 10 + (unsigned int)(text[i] - '0');
    }
    *prefix = sum;
    return sum <= maximum;
}

/* On PARSED_BITS the network is what was probably meant: the bits are cleared. */
static enum parsed parse(char const *line, size_t length, struct network *network)
{
    char text[INET6_ADDRSTRLEN + sizeof "/128"];
    unsigned char address[16];
    struct network found = {.excluded = length > 0 && *line == '!'};
    unsigned int prefix;
    if (found.excluded) {
        line++;
        length--;
    }
    if (length >= sizeof text || memchr(line, 0, length))
        return PARSED_SYNTAX;
    memcpy(text, line, length);
    text[length] = 0;
    char *slash = strchr(text, '/');
    if (slash)
        *slash = 0;
    /* inet_pton, because it knows one notation only: no 127.1, no 010.0.0.1, no zone. */
    bool ipv6 = inet_pton(AF_INET6, text, address) == 1;
    if (ipv6)
        memcpy(found.address, address, sizeof address);
    else if (inet_pton(AF_INET, text, address) == 1)
        map_ipv4(found.address, address);
    else
        return PARSED_SYNTAX;
    prefix = ipv6 ? 128 : 32;
    if (slash && !scan_prefix(slash + 1, prefix, &prefix))
        return PARSED_SYNTAX;
    if (!ipv6)
        prefix += IPV4_PREFIX;
    memcpy(address, found.address, sizeof address);
    clear_bits_from(found.address, prefix);
    found.prefix = (unsigned char)prefix;
    *network = found;
    return memcmp(address, found.address, sizeof address) ? PARSED_BITS : PARSED;
}

bool network_parse(char const *text, size_t length, struct network *network)
{
    struct network found;
    if (parse(text, length, &found) != PARSED)
        return false;
    *network = found;
    return true;
}

/* True when NETWORK lies in RANGE. */
static bool lies_in(struct network const *network, struct known const *range)
{
    return network->prefix >= range->prefix &&
           same_bits(network->address, range->address, range->prefix);
}

/* True when NETWORK holds so many strangers that it must not be on a list that opens relaying. */
static bool is_too_wide(struct network const *network, unsigned int minimum4, unsigned int minimum6)
{
    if (network->excluded)
        return false;
    for (size_t i = 0; i < sizeof private_ranges / sizeof *private_ranges; i++)
        if (lies_in(network, private_ranges + i))
            return false;
    for (size_t i = 0; i < sizeof embeddings / sizeof *embeddings; i++) {
        struct known const *embedding = embeddings + i;
        if (lies_in(network, embedding))
            return network->prefix - embedding->prefix < minimum4;
        /* It holds all of an embedding. Of ::ffff:0:0/96 it then holds nothing: contains(). */
        if (i > 0 && minimum4 > 0 && network->prefix < embedding->prefix &&
            same_bits(network->address, embedding->address, network->prefix))
            return true;
    }
    return network->prefix < minimum6;
}

struct loading {
    struct networks networks;
    unsigned int minimum4, minimum6;
};

static bool append(struct networks *networks, struct network const *network)
{
    if (networks->count == networks->space) {
        size_t space = networks->space ? 2 * networks->space : 16;
        struct network *entries = reallocarray(networks->entries, space, sizeof *entries);
        if (!entries)
            return false;
        networks->entries = entries;
        networks->space = space;
    }
    networks->entries[networks->count++] = *network;
    return true;
}

/* The range as the operator would write it. */
static void format(char *text, size_t size, struct network const *network)
{
    char address[INET6_ADDRSTRLEN] = "";
    bool ipv4 = lies_in(network, embeddings);
    inet_ntop(ipv4 ? AF_INET : AF_INET6, network->address + (ipv4 ? 12 : 0), address,
              sizeof address);
    snprintf(text, size, "%s%s/%u", network->excluded ? "!" : "", address,
             (unsigned int)network->prefix - (ipv4 ? IPV4_PREFIX : 0));
}

static bool add_line(void *context, char const *line, size_t length, unsigned int number,
                     struct control_error *error)
{
    struct loading *loading = context;
    struct network network;
    char hint[160], range[64];
    switch (parse(line, length, &network)) {
    case PARSED:
        break;
    case PARSED_BITS:
        format(range, sizeof range, &network);
        snprintf(hint, sizeof hint, "bits beyond the prefix are set; the whole range is %s", range);
        return control_fail_hint(error, EXPECTED, line, length, hint);
    case PARSED_SYNTAX:
    default:
        return control_fail(error, EXPECTED, line, length);
    }
    if (is_too_wide(&network, loading->minimum4, loading->minimum6)) {
        snprintf(hint, sizeof hint,
                 "so many strangers could send mail to everywhere through this host (an open "
                 "relay); list your own networks only");
        snprintf(range, sizeof range, "a range not wider than /%u (IPv4) or /%u (IPv6)",
                 loading->minimum4, loading->minimum6);
        return control_fail_hint(error, range, line, length, hint);
    }
    network.number = number;
    if (!append(&loading->networks, &network))
        return control_fail(error, "enough memory for the list", line, length);
    return true;
}

/* By prefix, the longest first, then by address. */
static int compare_ranges(struct network const *left, struct network const *right)
{
    if (left->prefix != right->prefix)
        return left->prefix > right->prefix ? -1 : 1;
    return memcmp(left->address, right->address, sizeof left->address);
}

/* Of equal ranges the last line first: the one that counts. */
static int compare_entries(void const *left_entry, void const *right_entry)
{
    struct network const *left = left_entry, *right = right_entry;
    int order = compare_ranges(left, right);
    if (order != 0)
        return order;
    return (left->number < right->number) - (left->number > right->number);
}

static void sort(struct networks *networks)
{
    size_t kept = 0;
    if (networks->count == 0)
        return;
    qsort(networks->entries, networks->count, sizeof *networks->entries, compare_entries);
    for (size_t i = 1; i < networks->count; i++)
        if (compare_ranges(networks->entries + kept, networks->entries + i) != 0)
            networks->entries[++kept] = networks->entries[i];
    networks->count = kept + 1;
}

enum control_result networks_load(struct networks *networks, struct control const *control,
                                  char const *name, unsigned int minimum4, unsigned int minimum6,
                                  struct control_error *error)
{
    struct loading loading = {NETWORKS_ZERO, minimum4, minimum6};
    enum control_result result = control_lines(control, name, add_line, &loading, error);
    if (result == CONTROL_ERROR) {
        networks_free(&loading.networks);
        return result;
    }
    sort(&loading.networks);
    *networks = loading.networks;
    return result;
}

void networks_free(struct networks *networks)
{
    free(networks->entries);
    *networks = (struct networks)NETWORKS_ZERO;
}

/* The first entry from START on for which compare_ranges says "not before KEY". */
static size_t lower_bound(struct networks const *networks, size_t start, struct network const *key)
{
    size_t end = networks->count;
    while (start < end) {
        size_t middle = start + (end - start) / 2;
        if (compare_ranges(networks->entries + middle, key) < 0)
            start = middle + 1;
        else
            end = middle;
    }
    return start;
}

struct network const *networks_find(struct networks const *networks, ip46 const *ip)
{
    struct network key = {.prefix = 128};
    unsigned char address[16];
    if (ip46_is6(ip))
        memcpy(address, ip->ip, sizeof address);
    else
        map_ipv4(address, ip->ip);
    bool ipv4 = same_bits(address, embeddings[0].address, IPV4_PREFIX);
    /* One binary search for each prefix length that occurs, from the longest on: the first hit is
     * the most specific. */
    for (size_t i = 0; i < networks->count;) {
        key.prefix = networks->entries[i].prefix;
        if (ipv4 && key.prefix < IPV4_PREFIX)
            return 0;
        memcpy(key.address, address, sizeof address);
        clear_bits_from(key.address, key.prefix);
        i = lower_bound(networks, i, &key);
        if (i < networks->count && compare_ranges(networks->entries + i, &key) == 0)
            return networks->entries + i;
        memset(key.address, 0xff, sizeof key.address);
        i = lower_bound(networks, i, &key);
        /* Now at this length's last possible range, or behind it. */
        if (i < networks->count && compare_ranges(networks->entries + i, &key) == 0)
            i++;
    }
    return 0;
}

bool networks_contain(struct networks const *networks, ip46 const *ip)
{
    struct network const *const entry = networks_find(networks, ip);
    return entry && !entry->excluded;
}
