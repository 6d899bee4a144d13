#include "lib/fields.h"

#include <string.h>

#include <skalibs/types.h>

#define SUM_DIGITS 16

char const *fields_next(char const **bytes, size_t *length)
{
    char const *const field = *bytes;
    char const *const end = *length ? memchr(field, 0, *length) : NULL;
    if (!end)
        return NULL;
    *length -= (size_t)(end + 1 - field);
    *bytes = end + 1;
    return field;
}

bool fields_split(char const **fields, size_t count, char const *bytes, size_t length)
{
    for (size_t i = 0; i < count; i++)
        if (!(fields[i] = fields_next(&bytes, &length)))
            return false;
    return length == 0;
}

bool fields_scan_number(char const *text, uint64_t *value)
{
    return uint640_scan(text, value) != 0;
}

bool fields_scan_sum(char const *text, uint64_t *value)
{
    return strlen(text) == SUM_DIGITS && uint640_xscan(text, value) != 0;
}

bool fields_is_text(char const *text, size_t maximum)
{
    for (size_t length = 0; *text; text++, length++)
        if (length == maximum || (unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

bool fields_add_text(stralloc *out, char const *text)
{
    return stralloc_catb(out, text, strlen(text) + 1);
}

bool fields_add_number(stralloc *out, uint64_t value)
{
    char digits[UINT64_FMT];
    return stralloc_catb(out, digits, uint64_fmt(digits, value)) && stralloc_0(out);
}

bool fields_add_sum(stralloc *out, uint64_t sum)
{
    char digits[UINT64_XFMT];
    size_t const length = uint64_xfmt(digits, sum);
    return stralloc_catb(out, "0000000000000000", SUM_DIGITS - length) &&
           stralloc_catb(out, digits, length) && stralloc_0(out);
}
