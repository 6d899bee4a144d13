#include "spf/spf_macro.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "spf/spf_macro_item.h"

#define VALUE_MAX (SPF_FIELD_MAX + sizeof "postmaster@") /* bytes of a value, with its NUL */

/* What was expanded so far. A name is judged by its end and an explanation by its beginning, so
 * that is what is kept of a long one. */
struct output {
    char *bytes;
    size_t size, length;
    bool keeps_end;
};

static void append(struct output *out, char const *text, size_t length)
{
    if (out->keeps_end && length > out->size) {
        text += length - out->size;
        length = out->size;
    }
    if (out->keeps_end && out->length + length > out->size) {
        size_t const excess = out->length + length - out->size;
        memmove(out->bytes, out->bytes + excess, out->length - excess);
        out->length -= excess;
    }
    if (length > out->size - out->length)
        length = out->size - out->length;
    memcpy(out->bytes + out->length, text, length);
    out->length += length;
}

static void append_escaped(struct output *out, char const *text, size_t length)
{
    char escaped[4];
    for (size_t i = 0; i < length; i++)
        /* unreserved of RFC 3986: section 7.3 */
        if (spf_macro_is_alphanumeric(text[i]) || (text[i] && strchr("-._~", text[i])))
            append(out, text + i, 1);
        else
            append(out, escaped,
                   (size_t)snprintf(escaped, sizeof escaped, "%%%02X", (unsigned char)text[i]));
}

/* i: an IPv6 address as its nibbles. */
static void write_dotted(char value[VALUE_MAX], ip46 const *ip)
{
    if (!ip46_is6(ip)) {
        inet_ntop(AF_INET, ip->ip, value, VALUE_MAX);
        return;
    }
    for (size_t i = 0; i < 16; i++)
        snprintf(value + 4 * i, 5, "%X.%X.", (unsigned int)(unsigned char)ip->ip[i] >> 4,
                 (unsigned int)(unsigned char)ip->ip[i] & 15u);
    value[63] = 0;
}

/* What LETTER stands for: a text of its owner's, or one in SPACE. */
static char const *value_of(char letter, struct spf_macro_values const *values,
                            char space[VALUE_MAX])
{
    struct spf_question const *question = values->question;
    switch (letter) {
    case 's':
        return question->sender;
    case 'l':
        return question->local;
    case 'o':
        return question->domain.plain;
    case 'd':
        return values->domain;
    case 'i':
        write_dotted(space, &question->ip);
        return space;
    case 'c':
        inet_ntop(ip46_is6(&question->ip) ? AF_INET6 : AF_INET, question->ip.ip, space, VALUE_MAX);
        return space;
    case 'p':
        return values->validated;
    case 'v':
        return ip46_is6(&question->ip) ? "ip6" : "in-addr";
    case 'h':
        return question->helo;
    case 'r':
        return values->receiver;
    default: /* t; there are no others */
        snprintf(space, VALUE_MAX, "%llu", (unsigned long long)values->now);
        return space;
    }
}

/* Splits VALUE at the delimiters, reverses, takes the last parts, joins them with dots. */
static void expand_macro(struct output *out, struct spf_macro_item const *item, char const *value)
{
    size_t starts[VALUE_MAX + 1], parts = 0;
    starts[parts++] = 0;
    for (size_t i = 0; value[i]; i++)
        if (spf_macro_splits(item, value[i]))
            starts[parts++] = i + 1;
    starts[parts] = strlen(value) + 1;
    size_t const first = item->digits > 0 && item->digits < parts ? parts - item->digits : 0;
    for (size_t i = first; i < parts; i++) {
        size_t const part = item->reverse ? parts - 1 - i : i;
        size_t const length = starts[part + 1] - 1 - starts[part];
        if (i > first)
            append(out, ".", 1);
        if (item->escape)
            append_escaped(out, value + starts[part], length);
        else
            append(out, value + starts[part], length);
    }
}

static void expand(struct output *out, char const *text, size_t length,
                   struct spf_macro_values const *values)
{
    char space[VALUE_MAX];
    struct spf_macro_item item;
    for (size_t at = 0; at < length; at += item.length) {
        if (!spf_macro_next(&item, text + at, length - at))
            return; /* it was checked, so that cannot be */
        if (item.letter)
            expand_macro(out, &item, value_of(item.letter, values, space));
        else
            append(out, item.text, item.text_length);
    }
}

static bool is_ascii(char const *text)
{
    for (; *text; text++)
        if ((unsigned char)*text > 0x7f)
            return false;
    return true;
}

enum spf_name_result spf_macro_name(struct spf_name *name, char const *text, size_t length,
                                    struct spf_macro_values const *values)
{
    char bytes[2 * SPF_NAME_MAX];
    struct output out = {.bytes = bytes, .size = sizeof bytes, .keeps_end = true};
    /* RFC 8616 section 4: such a local part is in no domain name, not even escaped. */
    if (!is_ascii(values->question->local) &&
        (spf_macro_uses(text, length, 's') || spf_macro_uses(text, length, 'l')))
        return SPF_NAME_MALFORMED;
    expand(&out, text, length, values);
    if (out.length > 0 && bytes[out.length - 1] == '.')
        out.length--;
    char const *start = bytes;
    while (out.length > SPF_NAME_MAX) {
        char const *const dot = memchr(start, '.', out.length);
        if (!dot)
            return SPF_NAME_MALFORMED;
        out.length -= (size_t)(dot + 1 - start);
        start = dot + 1;
    }
    return spf_name_make(name, start, out.length);
}

bool spf_macro_explain(char *text_out, size_t size, char const *text, size_t length,
                       struct spf_macro_values const *values)
{
    struct output out = {.bytes = text_out, .size = size - 1};
    expand(&out, text, length, values);
    text_out[out.length] = 0;
    for (size_t i = 0; i < out.length; i++)
        if (text_out[i] < ' ' || text_out[i] > '~')
            return false;
    return true;
}
