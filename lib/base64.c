#include "lib/base64.h"

#include <stdint.h>
#include <string.h>

#define BAD 64

static char const alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The value of a character, without a table in which a password's bytes would be looked up: its
 * cache lines would tell of them. */
static unsigned int value_of(unsigned char character)
{
    if (character >= 'A' && character <= 'Z')
        return character - 'A';
    if (character >= 'a' && character <= 'z')
        return character - 'a' + 26u;
    if (character >= '0' && character <= '9')
        return character - '0' + 52u;
    return character == '+' ? 62 : character == '/' ? 63 : BAD;
}

bool base64_decode(unsigned char *out, size_t *out_length, char const *text, size_t length)
{
    size_t padding = 0, done = 0;
    if (length % 4)
        return false;
    while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i < length; i += 4) {
        uint32_t group = 0;
        size_t const missing = i + 4 == length ? padding : 0;
        for (size_t j = 0; j < 4; j++) {
            unsigned int const value = j < 4 - missing ? value_of((unsigned char)text[i + j]) : 0;
            if (value == BAD)
                return false;
            group = group << 6 | value;
        }
        if (group & ((1u << (8 * missing)) - 1)) /* the same octets would have several forms */
            return false;
        for (size_t j = 0; j < 3 - missing; j++)
            out[done++] = (unsigned char)(group >> (16 - 8 * j));
    }
    *out_length = done;
    return true;
}

void base64_encode(char *out, unsigned char const *bytes, size_t length)
{
    for (size_t i = 0; i < length; i += 3) {
        size_t const left = length - i;
        uint32_t const group = (uint32_t)bytes[i] << 16 |
                               (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                               (left > 2 ? bytes[i + 2] : 0);
        *out++ = alphabet[group >> 18];
        *out++ = alphabet[group >> 12 & 63];
        *out++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
        *out++ = left > 2 ? alphabet[group & 63] : '=';
    }
}
