/* What a text with macros must be like. RFC 7208 section 12. */
#include <string.h>

#include "spf/spf_macro.h"
#include "spf/spf_macro_item.h"

/* toplabel: letters, digits and inner hyphens, and not digits alone. */
static bool is_top_label(char const *text, size_t length)
{
    bool other = false;
    for (size_t i = 0; i < length; i++) {
        bool const inner = i > 0 && i + 1 < length;
        if (!spf_macro_is_alphanumeric(text[i]) && !(inner && text[i] == '-'))
            return false;
        other |= spf_macro_is_letter(text[i]) || text[i] == '-';
    }
    return other;
}

/* domain-end of a text whose last item is no macro: a dot, a top label, and perhaps a dot. */
static bool has_top_label(char const *text, size_t length)
{
    size_t start;
    if (length > 0 && text[length - 1] == '.')
        length--;
    for (start = length; start > 0 && text[start - 1] != '.'; start--)
        ;
    return start > 0 && is_top_label(text + start, length - start);
}

bool spf_macro_is(char const *text, size_t length, enum spf_macro_form form)
{
    struct spf_macro_item item = {.length = 0};
    bool ends_in_macro = false;
    for (size_t at = 0; at < length; at += item.length) {
        if (!spf_macro_next(&item, text + at, length - at))
            return false;
        if (text[at] == ' ' && form != SPF_FORM_EXPLAIN)
            return false;
        if (form == SPF_FORM_DOMAIN && item.letter && strchr("crt", item.letter))
            return false;
        ends_in_macro = text[at] == '%';
    }
    return form != SPF_FORM_DOMAIN || ends_in_macro || has_top_label(text, length);
}

bool spf_macro_uses(char const *text, size_t length, char letter)
{
    struct spf_macro_item item;
    for (size_t at = 0; at < length; at += item.length) {
        if (!spf_macro_next(&item, text + at, length - at))
            return false;
        if (item.letter == letter)
            return true;
    }
    return false;
}
