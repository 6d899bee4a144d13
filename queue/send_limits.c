#include "queue/send_limits.h"

#include <stdio.h>
#include <string.h>

#include <skalibs/ip46.h>

#include "lib/address.h"

#define FILE_NAME "destlimits"
#define EXPECTED                                                                                   \
    "DOMAIN:LIMIT, HOST:PORT:LIMIT, .PARENT:LIMIT or :LIMIT, where LIMIT is a number of messages " \
    "a minute as in 60/m, a number of connections, or both"
#define PORT_MAX 65535
#define KEY_SIZE (SMTPROUTES_HOST_MAX + 10) /* a host, a blank and a port */

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* A decimal number from 1 to MAXIMUM, all of LENGTH bytes. */
static bool scan(uint32_t *value, char const *text, size_t length, uint32_t maximum)
{
    uint32_t number = 0;
    if (length == 0 || length > 6)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        number = number * 10 + (uint32_t)(text[i] - '0');
    }
    *value = number;
    return number > 0 && number <= maximum;
}

/* One or two words, each kind once. */
static bool parse_limits(struct send_limits *limits, char const *text, size_t length)
{
    *limits = (struct send_limits){.rate = 0};
    for (size_t at = 0; at < length;) {
        size_t end = at;
        while (end < length && !is_blank(text[end]))
            end++;
        size_t const word = end - at;
        bool const is_rate = word > 2 && memcmp(text + end - 2, "/m", 2) == 0;
        uint32_t *const value = is_rate ? &limits->rate : &limits->connections;
        if (word && (*value || !scan(value, text + at, is_rate ? word - 2 : word,
                                     is_rate ? SEND_LIMITS_RATE_MAX : SEND_LIMITS_CONNECTIONS_MAX)))
            return false;
        at = end + 1;
    }
    return limits->rate || limits->connections;
}

/* The key of the table: an address in its one spelling, else NAME, and PORT if that counts (not 0).
 */
static size_t make_key(char key[KEY_SIZE], char const *name, size_t length, uint32_t port)
{
    char spelled[IP46_FMT + 1];
    if (address_spell_ip(spelled, name, length)) {
        name = spelled;
        length = strlen(spelled);
    }
    int const size = port ? snprintf(key, KEY_SIZE, "%.*s %u", (int)length, name, port)
                          : snprintf(key, KEY_SIZE, "%.*s", (int)length, name);
    return (size_t)size;
}

/* KEY[:PORT] */
static bool parse_key(char made[KEY_SIZE], size_t *made_length, char const *key, size_t length)
{
    char const *const bracket = length ? memchr(key, ']', length) : NULL;
    char const *const colon = bracket  ? memchr(bracket, ':', length - (size_t)(bracket - key))
                              : length ? memchr(key, ':', length)
                                       : NULL;
    size_t const host = colon ? (size_t)(colon - key) : length;
    char spelled[IP46_FMT + 1];
    uint32_t port = 0;
    *made_length = 0;
    if (length == 0)
        return true;
    if (host >= SMTPROUTES_HOST_MAX ||
        (colon && !scan(&port, colon + 1, length - host - 1, PORT_MAX)))
        return false;
    *made_length = make_key(made, key, host, port);
    if (key[0] == '.')
        return !colon && address_is_domain(key + 1, length - 1, true);
    return address_is_domain(key, host, true) || address_spell_ip(spelled, key, host);
}

static bool parse_entry(char const *line, size_t length, struct table_entry *entry,
                        struct control_error *error)
{
    static char key[KEY_SIZE];
    char const *const colon = memrchr(line, ':', length); /* no limit has one */
    struct send_limits limits;
    size_t key_length = 0;
    if (!colon || !parse_key(key, &key_length, line, (size_t)(colon - line)) ||
        !parse_limits(&limits, colon + 1, length - (size_t)(colon - line) - 1))
        return control_fail(error, EXPECTED, line, length);
    *entry = (struct table_entry){.key = key,
                                  .key_length = key_length,
                                  .value = colon + 1,
                                  .value_length = length - (size_t)(colon - line) - 1};
    return true;
}

enum control_result send_limits_load(struct table *table, struct control const *control,
                                     struct control_error *error)
{
    return table_load(table, control, FILE_NAME, parse_entry, error);
}

struct send_limits send_limits_find(struct table const *table, struct smtproute const *route)
{
    struct smtproute_host const *const host = route->hosts;
    struct send_limits limits;
    char const *value = "";
    size_t value_length = 0;
    char key[KEY_SIZE];
    if (!table->present)
        return (struct send_limits){.rate = 0};
    size_t const length = strlen(host->name);
    if (!table_find(table, key, make_key(key, host->name, length, host->port), &value,
                    &value_length) &&
        !table_find_domain(table, key, make_key(key, host->name, length, 0), &value, &value_length))
        table_find(table, "", 0, &value, &value_length);
    /* What the table holds was checked when it was compiled. */
    if (!parse_limits(&limits, value, value_length))
        limits = (struct send_limits){.rate = 0};
    return limits;
}
