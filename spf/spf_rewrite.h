/* What libspf2 gets to see of a record: addresses, prefix lengths, qualifiers, and in place of each
 * domain-spec a token of ours. It hands the token back when it wants to know something, and so our
 * DNS layer knows which term it is at: no byte that a stranger has written reaches libspf2. */
#ifndef EKIDEN_SPF_REWRITE_H
#define EKIDEN_SPF_REWRITE_H

#include <stdbool.h>
#include <stddef.h>

#include "spf/spf_lint.h"

enum spf_token_kind {
    SPF_TOKEN_ADDRESS = 'a',  /* the term's domain, for its addresses */
    SPF_TOKEN_EXCHANGE = 'm', /* the same, for its MX records */
    SPF_TOKEN_HOST = 'h',     /* one of those, by number, for its addresses */
    SPF_TOKEN_EXISTS = 'x',
    SPF_TOKEN_POINTER = 'p', /* ptr, which becomes an `exists` */
    SPF_TOKEN_INCLUDE = 'i',
    SPF_TOKEN_REDIRECT = 'r',
    SPF_TOKEN_REST = 'c' /* the record from TERM on */
};

struct spf_token {
    enum spf_token_kind kind;
    unsigned int record, term, host; /* numbers, from 0 */
};

/* Writes the token in the form of a domain name, NUL-terminated. */
#define SPF_TOKEN_MAX 32
void spf_token_write(char text[SPF_TOKEN_MAX], struct spf_token const *token);

/* False: that is none. Whether the numbers exist is the caller's matter. */
bool spf_token_read(struct spf_token *token, char const *text);

/* Writes RECORD, which is number NUMBER, for a client of IPv6 or IPv4, from term FIRST on. What
 * does not fit into one of libspf2's records goes into a redirect to SPF_TOKEN_REST. */
#define SPF_REWRITTEN_MAX 4096
void spf_rewrite(char text[SPF_REWRITTEN_MAX], struct spf_record const *record, unsigned int number,
                 unsigned int first, bool six);

#endif
