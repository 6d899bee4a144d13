#include "tools/display_name.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "lib/utf8.h"
#include "tools/problem.h"

#define NAME_MAX_SHOWN   400
#define WORD_OPEN        "=?UTF-8?Q?"
#define WORD_CLOSE       "?="
#define WORD_ENCODED_MAX (75 - (sizeof WORD_OPEN - 1) - (sizeof WORD_CLOSE - 1))

static void add(stralloc *out, char const *bytes, size_t length)
{
    if (!stralloc_catb(out, bytes, length))
        problem_die(PROBLEM_TEMPORARY, "out of memory", errno);
}

/* RFC 2047 section 5 (3): what an encoded word in a phrase may hold as it is. */
static bool is_plain(char byte)
{
    return byte && (isalnum((unsigned char)byte) || strchr("!*+-/", byte));
}

/* One character never stands in two words. */
static void add_encoded(stralloc *out, char const *name, size_t length)
{
    static char const digits[] = "0123456789ABCDEF";
    size_t used = 0;
    add(out, WORD_OPEN, sizeof WORD_OPEN - 1);
    for (size_t i = 0, size; i < length; i += size) {
        char encoded[12];
        size_t count = 0;
        size = utf8_next(name + i, length - i);
        for (size_t k = 0; k < (size ? size : 1); k++) {
            unsigned char const byte = size ? (unsigned char)name[i + k] : '?';
            if (size == 1 && (is_plain((char)byte) || byte == ' ')) {
                encoded[count++] = byte == ' ' ? '_' : (char)byte;
                continue;
            }
            encoded[count++] = '=';
            encoded[count++] = digits[byte >> 4];
            encoded[count++] = digits[byte & 15];
        }
        size += !size;
        if (used + count > WORD_ENCODED_MAX) {
            add(out, WORD_CLOSE "\n " WORD_OPEN, sizeof(WORD_CLOSE "\n " WORD_OPEN) - 1);
            used = 0;
        }
        add(out, encoded, count);
        used += count;
    }
    add(out, WORD_CLOSE, sizeof WORD_CLOSE - 1);
}

static void add_quoted(stralloc *out, char const *name, size_t length, char const *special)
{
    for (size_t i = 0; i < length; i++) {
        bool const control = (unsigned char)name[i] < 0x20 || name[i] == 0x7f;
        if (!control && strchr(special, name[i]))
            add(out, "\\", 1);
        add(out, control ? "?" : name + i, 1);
    }
}

void display_name_add(stralloc *out, char const *name, bool comment)
{
    size_t const whole = strlen(name);
    size_t const length = whole < NAME_MAX_SHOWN ? whole : NAME_MAX_SHOWN;
    bool ascii = true, plain = true;
    for (size_t i = 0; i < length; i++) {
        ascii &= (unsigned char)name[i] < 0x80;
        plain &= is_plain(name[i]) || name[i] == ' ' || name[i] == '\'';
    }
    if (!ascii) {
        add_encoded(out, name, length);
    } else if (comment) {
        add_quoted(out, name, length, "\\()");
    } else if (plain) {
        add(out, name, length);
    } else {
        add(out, "\"", 1);
        add_quoted(out, name, length, "\\\"");
        add(out, "\"", 1);
    }
}
