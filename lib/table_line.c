#include "lib/table_line.h"

#include <strings.h>

struct search {
    table_parse_func *parse;
    char const *key;
    size_t length;
    unsigned int number;
};

static bool compare_line(void *context, char const *line, size_t length, unsigned int number,
                         struct control_error *error)
{
    struct search *const search = context;
    struct table_entry entry;
    if (!search->parse(line, length, &entry, error))
        return false;
    if (entry.key_length != search->length ||
        strncasecmp(entry.key, search->key, search->length) != 0)
        return true;
    search->number = number;
    return false; /* enough: of entries with the same key the first counts */
}

unsigned int table_line(struct control const *control, char const *name, table_parse_func *parse,
                        char const *key, size_t length)
{
    struct search search = {.parse = parse, .key = key, .length = length};
    struct control_error error;
    (void)control_lines(control, name, compare_line, &search, &error);
    return search.number;
}
