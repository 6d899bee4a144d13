#include "lib/smtproutes.h"

#include <arpa/inet.h>
#include <string.h>

#include <skalibs/bytestr.h>

#include "lib/address.h"

#define FILE_NAME    "smtproutes"
#define DEFAULT_PORT 25
#define EXPECTED     "DOMAIN:HOST, .PARENT:HOST or :HOST, perhaps with :PORT behind it"
#define HINT_HOST                                                                                  \
    "HOST is a name, an IPv4 address or an IPv6 address in brackets; empty means by MX"

/* What stands behind the first colon, in its parts. */
struct way {
    char const *host; /* without brackets */
    size_t length;
    uint16_t port;
};

/* 1 to 65535, digits only. */
static bool scan_port(char const *text, size_t length, uint16_t *port)
{
    unsigned int sum = 0;
    if (length == 0 || length > 5)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        sum = sum * 10 + (unsigned int)(text[i] - '0');
    }
    *port = (uint16_t)sum;
    return sum > 0 && sum <= 65535;
}

/* No zone (fe80::1%eth0): inet_pton knows none. */
static bool is_ip(int family, char const *text, size_t length)
{
    char plain[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    if (length >= sizeof plain || memchr(text, 0, length))
        return false;
    memcpy(plain, text, length);
    plain[length] = 0;
    return inet_pton(family, plain, bytes) == 1;
}

/* [IPv6] or [IPv4] at TEXT; *rest is what follows. */
static bool split_brackets(struct way *way, char const *text, size_t length, size_t *rest)
{
    char const *const end = memchr(text, ']', length);
    if (!end)
        return false;
    way->host = text + 1;
    way->length = (size_t)(end - way->host);
    *rest = (size_t)(end + 1 - text);
    return is_ip(AF_INET6, way->host, way->length) || is_ip(AF_INET, way->host, way->length);
}

static bool split_way(struct way *way, char const *text, size_t length)
{
    size_t rest;
    way->port = DEFAULT_PORT;
    if (length > 0 && text[0] == '[') {
        if (!split_brackets(way, text, length, &rest))
            return false;
    } else {
        char const *const colon = length ? memchr(text, ':', length) : NULL;
        rest = colon ? (size_t)(colon - text) : length;
        way->host = text;
        way->length = rest;
        if (rest > 0 && !address_is_domain(text, rest, true))
            return false;
    }
    if (rest == length)
        return true;
    return text[rest] == ':' && scan_port(text + rest + 1, length - rest - 1, &way->port);
}

static bool is_key(char const *key, size_t length)
{
    if (length == 0 || address_is_literal(key, length))
        return true;
    if (key[0] == '.') {
        key++;
        length--;
    }
    return address_is_domain(key, length, true);
}

static bool parse_entry(char const *line, size_t length, struct table_entry *entry,
                        struct control_error *error)
{
    /* A literal has colons of its own. */
    char const *const bracket = line[0] == '[' ? memchr(line, ']', length) : NULL;
    size_t const start = bracket ? (size_t)(bracket - line) : 0;
    char const *const colon = memchr(line + start, ':', length - start);
    struct way way;
    if (!colon || !is_key(line, (size_t)(colon - line)))
        return control_fail(error, EXPECTED, line, length);
    *entry = (struct table_entry){.key = line,
                                  .key_length = (size_t)(colon - line),
                                  .value = colon + 1,
                                  .value_length = length - (size_t)(colon - line) - 1};
    if (!split_way(&way, entry->value, entry->value_length))
        return control_fail_hint(error, EXPECTED, line, length, HINT_HOST);
    return true;
}

enum control_result smtproutes_load(struct table *table, struct control const *control,
                                    struct control_error *error)
{
    return table_load(table, control, FILE_NAME, parse_entry, error);
}

static void set_host(struct smtproute *route, char const *host, size_t length)
{
    memcpy(route->host, host, length);
    route->host[length] = 0;
    case_lowerb(route->host, length);
}

bool smtproutes_find(struct table const *table, char const *domain, size_t length,
                     struct smtproute *route)
{
    struct way way = {.length = 0, .port = DEFAULT_PORT};
    char const *value;
    size_t value_length;
    if (length == 0 || length >= sizeof route->host || memchr(domain, 0, length))
        return false;
    /* What the table holds was checked when it was compiled; a cdb that somebody else made is
     * not believed either. */
    if ((table_find_domain(table, domain, length, &value, &value_length) ||
         table_find(table, "", 0, &value, &value_length)) &&
        !split_way(&way, value, value_length))
        way = (struct way){.length = 0, .port = DEFAULT_PORT};
    if (way.length >= sizeof route->host)
        way.length = 0;
    route->by_mx = way.length == 0;
    route->port = way.port;
    if (route->by_mx)
        set_host(route, domain, length);
    else
        set_host(route, way.host, way.length);
    return true;
}
