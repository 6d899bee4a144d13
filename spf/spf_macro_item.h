/* The pieces of a macro-string, explain-string or domain-spec: RFC 7208 sections 7.1 and 12. */
#ifndef EKIDEN_SPF_MACRO_ITEM_H
#define EKIDEN_SPF_MACRO_ITEM_H

#include <stdbool.h>
#include <stddef.h>

struct spf_macro_item {
    size_t length; /* bytes that it takes in the text */
    char letter;   /* a macro's, in lower case; 0: TEXT stands there */
    char const *text;
    size_t text_length;
    bool escape;         /* the letter was a capital one */
    bool reverse;        /* r */
    unsigned int digits; /* parts to keep; 0: all */
    char const *delimiters;
    size_t delimiters_length; /* 0: a dot */
};

bool spf_macro_is_letter(char byte);
bool spf_macro_is_alphanumeric(char byte);

/* Reads the item at the beginning of LENGTH bytes, at least one: a macro, %%, %_, %-, or a byte
 * that is printable. False when that is none. */
bool spf_macro_next(struct spf_macro_item *item, char const *text, size_t length);

/* True when BYTE divides a value into parts for that macro. */
bool spf_macro_splits(struct spf_macro_item const *item, char byte);

#endif
