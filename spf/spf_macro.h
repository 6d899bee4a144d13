/* Macros of RFC 7208 section 7: their syntax, and what they stand for.
 *
 * libspf2 sees none of them: it splits and joins wrongly where a macro has delimiters or a number,
 * writes hexadecimal digits in the wrong case, and two of its bugs that can be reached from outside
 * (CVE-2021-20314, CVE-2021-33912) were in them. tests/fuzz/fuzz_spf_macro.c. */
#ifndef EKIDEN_SPF_MACRO_H
#define EKIDEN_SPF_MACRO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spf/spf_name.h"
#include "spf/spf_question.h"

/* Which production of section 12 a text must be. */
enum spf_macro_form {
    SPF_FORM_DOMAIN,  /* domain-spec: no c, r and t; ends in a top label or a macro */
    SPF_FORM_STRING,  /* macro-string: an unknown modifier */
    SPF_FORM_EXPLAIN, /* explain-string: blanks too */
};

/* True when the bytes are of that form. */
bool spf_macro_is(char const *text, size_t length, enum spf_macro_form form);

/* True when it has the macro LETTER (lower case). The text is well-formed. */
bool spf_macro_uses(char const *text, size_t length, char letter);

struct spf_macro_values {
    struct spf_question const *question;
    char const *domain;    /* d: the domain whose record is being evaluated */
    char const *receiver;  /* r */
    char const *validated; /* p: only looked at where it is used */
    uint64_t now;          /* t: seconds since 1970 */
};

/* Writes what a domain-spec stands for: one longer than SPF_NAME_MAX loses labels on its left
 * (section 7.3). */
enum spf_name_result spf_macro_name(struct spf_name *name, char const *text, size_t length,
                                    struct spf_macro_values const *values);

/* Writes what an explain-string stands for, NUL-terminated, cut at SIZE. False when it is not
 * printable ASCII: a sender has such bytes in it. */
bool spf_macro_explain(char *out, size_t size, char const *text, size_t length,
                       struct spf_macro_values const *values);

#endif
