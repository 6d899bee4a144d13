#include "deliver/reuselimit.h"

#include <string.h>

#include "lib/fields.h"

#define FILE_NAME    "reuselimit"
#define MESSAGES_MAX 100000
#define SECONDS_MAX  86400
#define NUMBER_MAX   8 /* digits */

static bool scan(char const *text, size_t length, uint64_t most, uint64_t *value)
{
    char number[NUMBER_MAX + 1];
    if (length > NUMBER_MAX)
        return false;
    memcpy(number, text, length);
    number[length] = 0;
    return fields_scan_number(number, value) && *value >= 1 && *value <= most;
}

struct loading {
    struct reuselimit *limit;
    bool found;
};

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static bool parse(struct reuselimit *limit, char const *line, size_t length)
{
    size_t first = 0, second;
    while (first < length && !is_blank(line[first]))
        first++;
    for (second = first; second < length && is_blank(line[second]);)
        second++;
    return scan(line, first, MESSAGES_MAX, &limit->messages) &&
           (second == length || scan(line + second, length - second, SECONDS_MAX, &limit->seconds));
}

static bool add(void *context, char const *line, size_t length, unsigned int number,
                struct control_error *error)
{
    struct loading *const loading = context;
    (void)number;
    if (loading->found || !parse(loading->limit, line, length))
        return control_fail(error,
                            "one line MESSAGES SECONDS, of 1 to 100000 messages (1: a connection "
                            "for each) and 1 to 86400 seconds",
                            line, length);
    loading->found = true;
    return true;
}

enum control_result reuselimit_load(struct reuselimit *limit, struct control const *control,
                                    struct control_error *error)
{
    struct loading loading = {.limit = limit};
    *limit = (struct reuselimit){.messages = 100, .seconds = 300};
    return control_lines(control, FILE_NAME, add, &loading, error);
}
