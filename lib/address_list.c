#include "lib/address_list.h"

#include <string.h>

#include "lib/address.h"

bool address_list_parse(char const *line, size_t length, struct table_entry *entry,
                        struct control_error *error)
{
    char const *const sign = memrchr(line, '@', length);
    size_t const local_length = sign ? (size_t)(sign - line) : 0;
    char const *const domain = sign ? sign + 1 : line + 1;
    *entry = (struct table_entry){.key = line, .key_length = length};
    if ((sign || line[0] == '.') &&
        address_is_domain(domain, length - (size_t)(domain - line), true) &&
        (local_length == 0 || address_is_utf8(line, local_length)))
        return true;
    return control_fail(error, "ADDRESS, @DOMAIN or .PARENT", line, length);
}

unsigned int address_list_find(struct table const *list, char const *address, size_t length)
{
    char const *const sign = memrchr(address, '@', length);
    char const *value;
    size_t value_length;
    if (!sign)
        return 0;
    size_t const rest = length - (size_t)(sign - address); /* the domain with its `@` */
    bool found = table_find(list, address, length, &value, &value_length) ||
                 table_find(list, sign, rest, &value, &value_length);
    for (size_t i = 1; i < rest && !found; i++)
        found = sign[i] == '.' && table_find(list, sign + i, rest - i, &value, &value_length);
    return found ? table_line(value) : 0;
}

bool address_list_has(struct table const *list, char const *address, size_t length)
{
    return address_list_find(list, address, length) != 0;
}
