#include "lib/duration.h"

uint64_t duration_unit(char letter)
{
    switch (letter) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return 86400;
    default:
        return 0;
    }
}

bool duration_parse(char const *text, size_t length, uint64_t *seconds)
{
    uint64_t const unit = length > 1 ? duration_unit(text[length - 1]) : 0;
    size_t const digits = unit ? length - 1 : length;
    uint64_t sum = 0;
    if (digits == 0)
        return false;
    for (size_t i = 0; i < digits; i++) {
        uint64_t const digit = (unsigned char)text[i] - (uint64_t)'0';
        if (digit > 9 || sum > DURATION_MAX)
            return false;
        sum = sum * 10 + digit;
    }
    sum *= unit ? unit : 1;
    *seconds = sum;
    return sum <= DURATION_MAX;
}
