#include "tools/print.h"

#include <skalibs/buffer.h>
#include <skalibs/types.h>

#include "lib/date.h"
#include "lib/utf8.h"

static char const digits[] = "0123456789abcdef";

void print(char const *text)
{
    buffer_puts(buffer_1, text);
}

void print_number(uint64_t number)
{
    char text[UINT64_FMT];
    buffer_put(buffer_1, text, uint64_fmt(text, number));
}

static void print_from(unsigned char lowest, char const *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char const byte = (unsigned char)text[i];
        char const escaped[4] = {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
        if (byte >= lowest && byte < 0x7f && byte != '\\')
            buffer_put(buffer_1, text + i, 1);
        else
            buffer_put(buffer_1, escaped, 4);
    }
}

void print_escaped(char const *text, size_t length)
{
    print_from(0x21, text, length);
}

void print_text(char const *text, size_t length)
{
    print_from(' ', text, length);
}

void print_date(uint64_t seconds)
{
    char date[DATE_SIZE];
    buffer_put(buffer_1, date, date_format(date, (time_t)seconds));
}

/* Control characters never stand in an address; utf8_next takes none either. */
void print_string(char const *text, size_t length)
{
    print("\"");
    for (size_t at = 0, size; at < length; at += size) {
        unsigned char const byte = (unsigned char)text[at];
        char const escaped[5] = {'\\', '\\', 'x', digits[byte >> 4], digits[byte & 15]};
        size = byte == '\\' ? 0 : utf8_next(text + at, length - at);
        if (byte == '"')
            print("\\");
        if (size)
            buffer_put(buffer_1, text + at, size);
        else
            buffer_put(buffer_1, escaped, sizeof escaped);
        size += !size;
    }
    print("\"");
}

bool print_flush(void)
{
    return buffer_flush(buffer_1);
}
