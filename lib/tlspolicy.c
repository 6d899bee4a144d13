#include "lib/tlspolicy.h"

#include <string.h>

#include <skalibs/ip46.h>

#include "lib/address.h"

#define FILE_NAME "tlspolicy"
#define EXPECTED  "DOMAIN:LEVEL, .PARENT:LEVEL or :LEVEL"
#define HINT                                                                                       \
    "LEVEL is none, may, encrypt or verify; verify=NAME where the certificate has another name"
#define HINT_ALL "verify=NAME is for one server: write the domain in front of the colon"

static bool is_key(char const *key, size_t length)
{
    if (length == 0)
        return true;
    if (key[0] == '.') {
        key++;
        length--;
    }
    return address_is_domain(key, length, false);
}

/* One domain has many spellings in UTF-8, and is to be found whichever a sender takes: all are
 * looked up in the one form that the DNS has. */
static char const *hint_for(char const *key, size_t length)
{
    static char const hint[] =
        "DOMAIN is an internationalized domain in its ASCII form, `xn--...`, "
        "which counts for all of its spellings";
    return key[0] != '[' && address_is_domain(key + (key[0] == '.'), length - (key[0] == '.'), true)
               ? hint
               : NULL;
}

static bool parse_entry(char const *line, size_t length, struct table_entry *entry,
                        struct control_error *error)
{
    /* A literal has colons of its own. */
    char const *const bracket = line[0] == '[' ? memchr(line, ']', length) : NULL;
    size_t const start = bracket ? (size_t)(bracket - line) : 0;
    char const *const colon = memchr(line + start, ':', length - start);
    static char address[IP46_FMT + 1];
    struct tlspolicy policy;
    if (!colon)
        return control_fail(error, EXPECTED, line, length);
    bool const is_address = address_spell_ip(address, line, (size_t)(colon - line));
    if (!is_address && !is_key(line, (size_t)(colon - line))) {
        char const *const hint = hint_for(line, (size_t)(colon - line));
        return hint ? control_fail_hint(error, EXPECTED, line, length, hint)
                    : control_fail(error, EXPECTED, line, length);
    }
    *entry =
        (struct table_entry){.key = is_address ? address : line,
                             .key_length = is_address ? strlen(address) : (size_t)(colon - line),
                             .value = colon + 1,
                             .value_length = length - (size_t)(colon - line) - 1};
    if (!tlspolicy_parse(&policy, entry->value, entry->value_length))
        return control_fail_hint(error, EXPECTED, line, length, HINT);
    if (entry->key_length == 0 && policy.name[0])
        return control_fail_hint(error, EXPECTED, line, length, HINT_ALL);
    return true;
}

enum control_result tlspolicy_load(struct table *table, struct control const *control,
                                   struct control_error *error)
{
    return table_load(table, control, FILE_NAME, parse_entry, error);
}

/* What the table holds was checked when it was compiled; in a cdb that somebody else made a value
 * that means nothing asks for the most. */
static void take(struct tlspolicy *policy, bool found, char const *value, size_t length)
{
    *policy = (struct tlspolicy){.level = TLSPOLICY_UNSET};
    if (found && !tlspolicy_parse(policy, value, length))
        *policy = (struct tlspolicy){.level = TLSPOLICY_VERIFY};
}

void tlspolicy_find(struct tlspolicy *policy, struct table const *table, char const *host)
{
    char const *value = NULL;
    size_t length = 0;
    char address[IP46_FMT + 1];
    bool const found = address_spell_ip(address, host, strlen(host))
                           ? table_find(table, address, strlen(address), &value, &length)
                           : table_find_domain(table, host, strlen(host), &value, &length);
    take(policy, found, value, length);
}

void tlspolicy_find_default(struct tlspolicy *policy, struct table const *table)
{
    char const *value = NULL;
    size_t length = 0;
    bool const found = table_find(table, "", 0, &value, &length);
    take(policy, found, value, length);
}
