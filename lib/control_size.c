#include "lib/control_size.h"

static unsigned int shift_of(char letter)
{
    switch (letter) {
    case 'k':
    case 'K':
        return 10;
    case 'm':
    case 'M':
        return 20;
    case 'g':
    case 'G':
        return 30;
    case 't':
    case 'T':
        return 40;
    default:
        return 0;
    }
}

bool size_parse(char const *text, size_t length, uint64_t *bytes)
{
    uint64_t sum = 0;
    unsigned int const shift = length > 1 ? shift_of(text[length - 1]) : 0;
    size_t const digits = shift ? length - 1 : length;
    if (digits == 0)
        return false;
    for (size_t i = 0; i < digits; i++) {
        uint64_t const digit = (unsigned char)text[i] - (uint64_t)'0';
        if (digit > 9 || sum > ((uint64_t)INT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    if (sum > (uint64_t)INT64_MAX >> shift)
        return false;
    *bytes = sum << shift;
    return true;
}

static bool is_size(char const *text, size_t length)
{
    uint64_t bytes;
    return size_parse(text, length, &bytes);
}

enum control_result control_size(struct control const *control, char const *name, uint64_t *value,
                                 struct control_error *error)
{
    stralloc text = STRALLOC_ZERO;
    enum control_result const result =
        control_first(control, name, &text, is_size,
                      "a number of bytes, perhaps with K, M, G or T behind it", error);
    if (result == CONTROL_OK)
        (void)size_parse(text.s, text.len, value);
    stralloc_free(&text);
    return result;
}
