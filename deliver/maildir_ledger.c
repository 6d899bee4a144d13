#include "deliver/maildir_ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/control_size.h"

bool maildir_limit_parse(char const *text, size_t length, struct maildir_limit *limit)
{
    struct maildir_limit parsed = {.bytes = 0};
    for (size_t at = 0; at < length;) {
        char const *const comma = memchr(text + at, ',', length - at);
        size_t item = comma ? (size_t)(comma - text) - at : length - at;
        char const *const start = text + at;
        uint64_t number;
        at += item + (comma != NULL);
        if (item == 0 || (comma && at == length))
            return false;
        bool const messages = start[item - 1] == 'C' || start[item - 1] == 'c';
        if (messages || start[item - 1] == 'S' || start[item - 1] == 's')
            item--;
        if (!size_parse(start, item, &number) || number > MAILDIR_USAGE_MAX)
            return false;
        if (messages)
            parsed.messages = number;
        else
            parsed.bytes = number;
    }
    *limit = parsed;
    return length > 0;
}

void maildir_limit_format(char text[MAILDIR_LIMIT_SIZE], struct maildir_limit const *limit)
{
    if (limit->bytes && limit->messages)
        snprintf(text, MAILDIR_LIMIT_SIZE, "%" PRIu64 "S,%" PRIu64 "C", limit->bytes,
                 limit->messages);
    else
        snprintf(text, MAILDIR_LIMIT_SIZE, "%" PRIu64 "%s",
                 limit->messages ? limit->messages : limit->bytes, limit->messages ? "C" : "S");
}

size_t maildir_change_format(char text[MAILDIR_CHANGE_SIZE], struct maildir_usage const *change)
{
    return (size_t)snprintf(text, MAILDIR_CHANGE_SIZE, "%-11" PRId64 " %" PRId64 "\n",
                            change->bytes, change->messages);
}

struct cursor {
    char const *bytes;
    size_t length, at;
};

static void skip_blanks(struct cursor *cursor)
{
    while (cursor->at < cursor->length &&
           (cursor->bytes[cursor->at] == ' ' || cursor->bytes[cursor->at] == '\t'))
        cursor->at++;
}

/* Adds the number at the cursor to *sum. */
static bool add_number(struct cursor *cursor, int64_t *sum)
{
    int64_t number = 0;
    skip_blanks(cursor);
    bool const minus = cursor->at < cursor->length && cursor->bytes[cursor->at] == '-';
    cursor->at += minus;
    size_t const start = cursor->at;
    for (; cursor->at < cursor->length; cursor->at++) {
        unsigned int const digit = (unsigned char)cursor->bytes[cursor->at] - (unsigned int)'0';
        if (digit > 9)
            break;
        if (number > MAILDIR_USAGE_MAX / 10)
            return false;
        number = number * 10 + (int64_t)digit;
    }
    *sum += minus ? -number : number;
    return cursor->at > start && *sum <= MAILDIR_USAGE_MAX && *sum >= -MAILDIR_USAGE_MAX;
}

static bool end_line(struct cursor *cursor)
{
    skip_blanks(cursor);
    return cursor->at < cursor->length && cursor->bytes[cursor->at++] == '\n';
}

bool maildir_ledger_parse(char const *bytes, size_t length, struct maildir_ledger *ledger)
{
    char const *const feed = memchr(bytes, '\n', length);
    struct maildir_ledger parsed = {.changes = 0};
    size_t header = feed ? (size_t)(feed - bytes) : 0;
    struct cursor cursor = {.bytes = bytes, .length = length, .at = header + 1};
    while (header > 0 && bytes[header - 1] == ' ')
        header--;
    if (!feed || !maildir_limit_parse(bytes, header, &parsed.limit))
        return false;
    for (; cursor.at < length; parsed.changes++)
        if (!add_number(&cursor, &parsed.used.bytes) ||
            !add_number(&cursor, &parsed.used.messages) || !end_line(&cursor))
            return false;
    if (parsed.used.bytes < 0 || parsed.used.messages < 0)
        return false;
    *ledger = parsed;
    return true;
}

static bool allows(uint64_t limit, int64_t used, int64_t more)
{
    return limit == 0 || (used <= MAILDIR_USAGE_MAX && more <= MAILDIR_USAGE_MAX &&
                          (uint64_t)used + (uint64_t)more <= limit);
}

bool maildir_limit_allows(struct maildir_limit const *limit, struct maildir_usage const *used,
                          struct maildir_usage const *more)
{
    return allows(limit->bytes, used->bytes, more->bytes) &&
           allows(limit->messages, used->messages, more->messages);
}
