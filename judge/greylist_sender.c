#include "judge/greylist_sender.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <skalibs/bytestr.h>

#include "lib/address.h"

#define HEX_MIN   4
#define MIXED_MIN 8
#define LONG_MIN  20

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_word(char byte)
{
    return is_digit(byte) || (byte >= 'a' && byte <= 'z') || (unsigned char)byte >= 0x80;
}

static bool is_changing(char const *word, size_t length)
{
    size_t digits = 0, hex = 0;
    for (size_t i = 0; i < length; i++) {
        digits += is_digit(word[i]);
        hex += is_digit(word[i]) || (word[i] >= 'a' && word[i] <= 'f');
    }
    return digits == length || (hex == length && length >= HEX_MIN) ||
           (digits && length >= MIXED_MIN) || length >= LONG_MIN;
}

/* Behind COUNT more of SIGN; NULL when there are fewer before END. */
static char const *skip(char const *text, char const *end, char sign, unsigned int count)
{
    for (; text && count > 0; count--) {
        char const *const found = text < end ? memchr(text, sign, (size_t)(end - text)) : NULL;
        text = found ? found + 1 : NULL;
    }
    return text;
}

/* Removes the bytes from FROM to TO of the LENGTH bytes at TEXT. */
static size_t cut(char *text, size_t length, char const *from, char const *to)
{
    size_t const begin = (size_t)(from - text), end = (size_t)(to - text);
    memmove(text + begin, to, length - end);
    return length - (end - begin);
}

static bool begins(char const *local, size_t length, char const *with)
{
    size_t const size = strlen(with);
    return length > size && !memcmp(local, with, size);
}

/* Removes tags and their signatures. */
static size_t strip_tags(char *local, size_t length)
{
    char const *const end = local + length;
    char const *rest = NULL;
    if (begins(local, length, "prvs=") || begins(local, length, "msprvs1="))
        rest = skip(local, end, '=', 2);
    else if (begins(local, length, "btv1=="))
        rest = skip(local, end, '=', 4);
    if (rest && rest < end)
        return cut(local, length, local, rest);
    if (!address_is_rewritten(local, length))
        return length;
    /* SRS1: the hash, then behind `==` the hash and time of the SRS0 that it holds. */
    if (local[3] == '1') {
        rest = skip(local + 5, end, '=', 1);
        if (!rest)
            return length;
        length = cut(local, length, local + 5, rest);
        char *inner = local + 5;
        while (inner + 1 < local + length && memcmp(inner, "==", 2) != 0)
            inner++;
        rest = inner + 2 < local + length ? skip(inner + 2, local + length, '=', 2) : NULL;
        return rest ? cut(local, length, inner + 2, rest) : length;
    }
    rest = skip(local + 5, end, '=', 2);
    return rest ? cut(local, length, local + 5, rest) : length;
}

/* Replaces words that change. */
static size_t strip_words(char *local, size_t length)
{
    size_t out = 0, behind = 0; /* BEHIND: where the last sign of a changing word ended */
    bool changing = false;
    for (size_t at = 0; at < length;) {
        size_t end = at;
        while (end < length && is_word(local[end]))
            end++;
        if (end > at && is_changing(local + at, end - at)) {
            /* A word that follows another such: what divided them goes as well. */
            if (changing)
                out = behind;
            else
                local[out++] = '#';
            changing = true;
            behind = out;
        } else {
            changing = changing && end == at;
            memmove(local + out, local + at, end - at);
            out += end - at;
        }
        if (end < length)
            local[out++] = local[end++];
        at = end;
    }
    return out;
}

void greylist_sender(char out[GREYLIST_SENDER_MAX + 1], char const *sender)
{
    size_t const size = strnlen(sender, GREYLIST_SENDER_MAX);
    memcpy(out, sender, size);
    case_lowerb(out, size);
    out[size] = 0;
    char const *const at = memrchr(out, '@', size);
    size_t const domain = at ? size - (size_t)(at - out) : 0; /* with its sign */
    size_t local = strip_tags(out, size - domain);
    if (!address_is_rewritten(out, local)) {
        char const *const plus = memchr(out, '+', local);
        if (plus && plus > out)
            local = (size_t)(plus - out);
        local = strip_words(out, local);
    }
    memmove(out + local, sender + size - domain, domain);
    case_lowerb(out + local, domain);
    out[local + domain] = 0;
}
