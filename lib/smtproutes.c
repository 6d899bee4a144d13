#include "lib/smtproutes.h"

#include <string.h>

#include <skalibs/bytestr.h>

#include "lib/address.h"
#include "lib/checksum.h"
#include "lib/smtproutes_parse.h"

#define FILE_NAME "smtproutes"
#define EXPECTED                                                                                   \
    "DOMAIN:HOST, .PARENT:HOST, SENDER:HOST or :HOST, perhaps with :PORT behind it, and options; " \
    "HOST may be lmtp:/PATH or lmtp:HOST:PORT"
#define HINT_KEY                                                                                   \
    "before the colon stands a domain, an address literal, .PARENT, USER@DOMAIN, @DOMAIN or "      \
    "nothing"

/* --- the file --- */

static bool is_host(char const *text, size_t length)
{
    return address_is_domain(text, length, true) || address_is_literal(text, length);
}

static bool is_key(char const *key, size_t length)
{
    char const *const at = length ? memrchr(key, '@', length) : NULL;
    if (length == 0)
        return true;
    if (at)
        return is_host(at + 1, (size_t)(key + length - (at + 1))) && address_is_utf8(key, length);
    if (key[0] == '.')
        return address_is_domain(key + 1, length - 1, true);
    return is_host(key, length);
}

/* The colon behind the key: a literal has colons of its own. */
static char const *find_colon(char const *line, size_t length)
{
    char const *const colon = memchr(line, ':', length);
    char const *const bracket = colon ? memchr(line, '[', (size_t)(colon - line)) : NULL;
    char const *const end =
        bracket ? memchr(bracket, ']', length - (size_t)(bracket - line)) : NULL;
    return end ? memchr(end, ':', length - (size_t)(end - line)) : colon;
}

static bool parse_entry(char const *line, size_t length, struct table_entry *entry,
                        struct control_error *error)
{
    char const *const colon = find_colon(line, length);
    struct smtproute route;
    if (!colon)
        return control_fail(error, EXPECTED, line, length);
    if (!is_key(line, (size_t)(colon - line)))
        return control_fail_hint(error, EXPECTED, line, length, HINT_KEY);
    *entry = (struct table_entry){.key = line,
                                  .key_length = (size_t)(colon - line),
                                  .value = colon + 1,
                                  .value_length = length - (size_t)(colon - line) - 1};
    char const *const problem = smtproutes_parse(&route, entry->value, entry->value_length);
    return !problem || control_fail_hint(error, EXPECTED, line, length, problem);
}

enum control_result smtproutes_load(struct table *table, struct control const *control,
                                    struct control_error *error)
{
    return table_load(table, control, FILE_NAME, parse_entry, error);
}

/* --- the look-up --- */

static bool find_entry(struct table const *table, char const *domain, size_t length,
                       char const *sender, char const **value, size_t *value_length)
{
    char const *const at = strrchr(sender, '@');
    return table_find_domain(table, domain, length, value, value_length) ||
           (at && (table_find(table, sender, strlen(sender), value, value_length) ||
                   table_find(table, at, strlen(at), value, value_length))) ||
           table_find(table, "", 0, value, value_length);
}

bool smtproutes_find(struct table const *table, char const *domain, size_t length,
                     char const *sender, struct smtproute *route)
{
    char const *value = "";
    size_t value_length = 0;
    if (length == 0 || length >= SMTPROUTES_HOST_MAX || memchr(domain, 0, length))
        return false;
    /* What the table holds was checked when it was compiled; a cdb that somebody else made is
     * not believed either. */
    if (find_entry(table, domain, length, sender, &value, &value_length) &&
        smtproutes_parse(route, value, value_length) != NULL)
        value_length = 0;
    if (value_length == 0)
        smtproutes_parse(route, "", 0);
    if (route->by_mx) {
        memcpy(route->hosts[0].name, domain, length);
        case_lowerb(route->hosts[0].name, length);
    }
    return true;
}

static void add_text(struct checksum *sum, char const *text)
{
    checksum_add(sum, text, strlen(text) + 1);
}

uint64_t smtproutes_sum(struct smtproute const *route, uint64_t key)
{
    struct checksum sum;
    checksum_start_keyed(&sum, key);
    for (unsigned int i = 0; i < route->count; i++) {
        add_text(&sum, route->hosts[i].name);
        checksum_add(&sum, &route->hosts[i].port, sizeof route->hosts[i].port);
        checksum_add(&sum, &route->hosts[i].implicit, sizeof route->hosts[i].implicit);
        checksum_add(&sum, &route->hosts[i].lmtp, sizeof route->hosts[i].lmtp);
    }
    checksum_add(&sum, &route->by_mx, sizeof route->by_mx);
    checksum_add(&sum, &route->tls.level, sizeof route->tls.level);
    add_text(&sum, route->tls.name);
    add_text(&sum, route->auth);
    checksum_add(&sum, &route->clear_auth, sizeof route->clear_auth);
    return checksum_end(&sum);
}
