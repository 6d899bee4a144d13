#include "spf/spf_macro_item.h"

#include <string.h>

#define LETTERS    "slodiphcrtv"
#define DELIMITERS ".-+,/_="
#define DIGITS_MAX 1000 /* more than any value has parts */

bool spf_macro_is_letter(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

bool spf_macro_is_alphanumeric(char byte)
{
    return spf_macro_is_letter(byte) || is_digit(byte);
}

static bool is_one_of(char const *set, char byte)
{
    return byte && strchr(set, byte);
}

/* `%{` letter digits `r` delimiters `}`. */
static bool take_macro(struct spf_macro_item *item, char const *text, size_t length)
{
    size_t at = 2;
    if (at == length || !spf_macro_is_letter(text[at]))
        return false;
    item->escape = text[at] < 'a';
    item->letter = (char)(text[at++] | 0x20);
    if (!is_one_of(LETTERS, item->letter))
        return false;
    bool const numbered = at < length && is_digit(text[at]);
    for (; at < length && is_digit(text[at]); at++)
        if (item->digits < DIGITS_MAX)
            item->digits = item->digits * 10 + (unsigned int)(text[at] - '0');
    if (numbered && item->digits == 0)
        return false;
    item->reverse = at < length && is_one_of("rR", text[at]);
    at += item->reverse;
    item->delimiters = text + at;
    while (at < length && is_one_of(DELIMITERS, text[at]))
        at++;
    item->delimiters_length = (size_t)(text + at - item->delimiters);
    item->length = at + 1;
    return at < length && text[at] == '}';
}

static bool take_text(struct spf_macro_item *item, char const *text, size_t taken, size_t length)
{
    item->text = text;
    item->text_length = length;
    item->length = taken;
    return true;
}

bool spf_macro_next(struct spf_macro_item *item, char const *text, size_t length)
{
    *item = (struct spf_macro_item){.letter = 0};
    if (*text != '%')
        return *text >= ' ' && *text <= '~' && take_text(item, text, 1, 1);
    switch (length > 1 ? text[1] : 0) {
    case '{':
        return take_macro(item, text, length);
    case '%':
        return take_text(item, "%", 2, 1);
    case '_':
        return take_text(item, " ", 2, 1);
    case '-':
        return take_text(item, "%20", 2, 3);
    default:
        return false;
    }
}

bool spf_macro_splits(struct spf_macro_item const *item, char byte)
{
    return item->delimiters_length == 0
               ? byte == '.'
               : memchr(item->delimiters, byte, item->delimiters_length) != NULL;
}
