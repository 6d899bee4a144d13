#include "judge/dnsbl_lists.h"

struct loading {
    struct dnsbl_lists lists;
    bool domains;
};

static bool add_line(void *context, char const *line, size_t length, unsigned int number,
                     struct control_error *error)
{
    struct loading *const loading = context;
    struct dnsbl_lists *const lists = &loading->lists;
    struct dnsbl list;
    char const *const expected = dnsbl_line_parse(&list, line, length, loading->domains);
    if (expected)
        return control_fail(error, expected, line, length);
    if (lists->count == DNSBL_LISTS_MAX)
        return control_fail(error, "at most 16 lists", line, length);
    list.line = number;
    lists->lists[lists->count++] = list;
    return true;
}

enum control_result dnsbl_lists_load(struct dnsbl_lists *lists, struct control const *control,
                                     char const *name, bool domains, struct control_error *error)
{
    struct loading loading = {.domains = domains};
    enum control_result const result = control_lines(control, name, add_line, &loading, error);
    if (result != CONTROL_ERROR)
        *lists = loading.lists;
    return result;
}
