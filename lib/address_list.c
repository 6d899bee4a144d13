#include "lib/address_list.h"

#include <string.h>

#include "lib/address.h"
#include "lib/domain_ascii.h"

bool address_list_parse(char const *line, size_t length, struct table_entry *entry,
                        struct control_error *error)
{
    char const *const sign = memrchr(line, '@', length);
    size_t const local_length = sign ? (size_t)(sign - line) : 0;
    char const *const domain = sign ? sign + 1 : line + 1;
    static char key[TABLE_KEY_MAX];
    size_t const before = (size_t)(domain - line); /* with the `@`, or the dot */
    *entry = (struct table_entry){.key = line, .key_length = length};
    if ((sign || line[0] == '.') &&
        address_is_domain(domain, length - (size_t)(domain - line), true) &&
        (local_length == 0 || address_is_utf8(line, local_length))) {
        size_t const made = before < sizeof key ? domain_key(key + before, sizeof key - before,
                                                             domain, length - before)
                                                : 0;
        if (!made) /* too long, as the table says */
            return true;
        memcpy(key, line, before);
        *entry = (struct table_entry){.key = key, .key_length = before + made};
        return true;
    }
    return control_fail(error, "ADDRESS, @DOMAIN or .PARENT", line, length);
}

unsigned int address_list_find(struct table const *list, char const *address, size_t length)
{
    char key[TABLE_KEY_MAX];
    char const *const given = list->present ? memrchr(address, '@', length) : NULL;
    char const *value;
    size_t value_length;
    size_t const before = given ? (size_t)(given - address) + 1 : 0;
    if (!given || before >= sizeof key)
        return 0;
    size_t const made = domain_key(key + before, sizeof key - before, given + 1, length - before);
    size_t const rest = made + 1; /* the domain with its `@` */
    char const *const sign = key + before - 1;
    memcpy(key, address, before);
    bool found = table_find(list, key, before + made, &value, &value_length) ||
                 table_find(list, sign, rest, &value, &value_length);
    for (size_t i = 1; i < rest && !found; i++)
        found = sign[i] == '.' && table_find(list, sign + i, rest - i, &value, &value_length);
    return found ? table_line(value) : 0;
}

bool address_list_has(struct table const *list, char const *address, size_t length)
{
    return address_list_find(list, address, length) != 0;
}
