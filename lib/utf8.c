#include "lib/utf8.h"

#include <stdint.h>

/* Ranges that well-formed UTF-8 can hold and an address must not: control characters, line and
 * paragraph separators, bidirectional marks (they make one address look like another in a list),
 * surrogates, the byte order mark. Ascending. */
static struct {
    uint32_t first, last;
} const forbidden_code_points[] = {{0x0000, 0x001f}, {0x007f, 0x009f}, {0x061c, 0x061c},
                                   {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069},
                                   {0xd800, 0xdfff}, {0xfeff, 0xfeff}, {0x110000, UINT32_MAX}};

size_t utf8_next(char const *text, size_t length)
{
    static uint32_t const smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char lead = (unsigned char)text[0];
    size_t size = lead < 0x80             ? 1
                  : (lead & 0xe0) == 0xc0 ? 2
                  : (lead & 0xf0) == 0xe0 ? 3
                  : (lead & 0xf8) == 0xf0 ? 4
                                          : 0;
    if (size == 0 || size > length)
        return 0;
    uint32_t code = size == 1 ? lead : lead & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | ((unsigned char)text[i] & 0x3f);
    }
    if (code < smallest[size]) /* an overlong form */
        return 0;
    for (size_t i = 0; i < sizeof forbidden_code_points / sizeof *forbidden_code_points; i++)
        if (code >= forbidden_code_points[i].first && code <= forbidden_code_points[i].last)
            return 0;
    return size;
}
