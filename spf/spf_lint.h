/* Records, by the grammar of RFC 7208 section 12 to the letter.
 *
 * The one place that parses what a domain publishes. libspf2 lets 31 of the test suite's errors
 * pass, so it sees only what spf_rewrite makes of this. tests/fuzz/fuzz_spf_lint.c. */
#ifndef EKIDEN_SPF_LINT_H
#define EKIDEN_SPF_LINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPF_RECORD_MAX 65535 /* bytes: what an answer can hold */
#define SPF_TERMS_MAX  400   /* mechanisms that are kept; those behind `all` are not */

enum spf_kind {
    SPF_KIND_ALL,
    SPF_KIND_INCLUDE,
    SPF_KIND_A,
    SPF_KIND_MX,
    SPF_KIND_PTR,
    SPF_KIND_IP4,
    SPF_KIND_IP6,
    SPF_KIND_EXISTS,
    SPF_KIND_REDIRECT
};

/* A part of the record's text. */
struct spf_span {
    uint16_t start, length;
};

struct spf_term {
    uint8_t kind;           /* enum spf_kind */
    char qualifier;         /* + - ? ~ */
    uint8_t prefix4;        /* of a, mx and ip4: 0 to 32 */
    uint8_t prefix6;        /* of a, mx and ip6: 0 to 128 */
    struct spf_span domain; /* domain-spec; length 0: the current domain */
    unsigned char ip[16];   /* of ip4 (4 bytes) and ip6 */
};

struct spf_record {
    char const *text; /* the caller's; it must outlive this */
    size_t count;
    bool ends_in_all;         /* the last of the terms: so redirect does not count */
    struct spf_span redirect; /* domain-specs of the modifiers; length 0: there is none */
    struct spf_span explanation;
    struct spf_term terms[SPF_TERMS_MAX];
};

enum spf_lint_result {
    SPF_LINT_OK,
    SPF_LINT_CHARACTERS, /* not printable ASCII */
    SPF_LINT_MECHANISM,  /* an unknown one */
    SPF_LINT_ARGUMENT,   /* an argument that must not be there, or is missing */
    SPF_LINT_DOMAIN,     /* not a domain-spec */
    SPF_LINT_ADDRESS,    /* not an IPv4 or IPv6 address */
    SPF_LINT_PREFIX,     /* a prefix length out of range, with a leading zero, twice */
    SPF_LINT_MODIFIER,   /* a bad name, a bad value, or a qualifier before it */
    SPF_LINT_TWICE,      /* redirect or exp more than once */
    SPF_LINT_TOO_LONG    /* more than SPF_TERMS_MAX terms, or SPF_RECORD_MAX bytes */
};

/* True when a TXT record's bytes are an SPF record, well-formed or not: section 4.5. */
bool spf_lint_is_record(char const *text, size_t length);

/* Reads such a record. Unless OK *problem is the term that is wrong. */
enum spf_lint_result spf_lint(struct spf_record *record, char const *text, size_t length,
                              struct spf_span *problem);

/* What is wrong, in a few words. */
char const *spf_lint_text(enum spf_lint_result result);

#endif
