/* Lists of addresses in header fields, by RFC 5322 3.4 with the obsolete forms of 4.4 and the UTF-8
 * of RFC 6532.
 *
 * Groups, comments (nested), quoted strings, folding, source routes and empty elements are read as
 * they are meant; encoded words are phrases like any other. Some forms that are not in the grammar
 * but in the mail are read too: dots anywhere in a local part, `;` between addresses, a group
 * without its end, and an address in place of a phrase (`a@b <a@b>`). */
#ifndef EKIDEN_HEADER_ADDRESS_H
#define EKIDEN_HEADER_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#define HEADER_ADDRESS_MAX 1003 /* octets: ENVELOPE_ADDRESS_MAX */

enum header_address_result {
    HEADER_ADDRESS_ONE,     /* another address */
    HEADER_ADDRESS_END,     /* the list is over */
    HEADER_ADDRESS_SYNTAX,  /* not in the grammar: list->position is near it */
    HEADER_ADDRESS_TOO_LONG /* an address of more than HEADER_ADDRESS_MAX octets */
};

struct header_address {
    /* Unquoted, as in the envelope: local part, and with a domain `@` and the domain as it is
     * written. No NUL inside, NUL-terminated. Empty for `<>`. */
    char bytes[HEADER_ADDRESS_MAX + 1];
    size_t length;
    size_t local_length; /* bytes before the `@`; equal to length without a domain */
    bool has_domain;
    bool literal; /* the domain is an address literal, with its brackets */
    bool utf8;    /* non-ASCII, well-formed */
    /* Where the domain stands in the text; without one both are where it would have to be put. */
    size_t domain, end;
};

struct header_address_list {
    char const *text; /* the caller's: the field's body, with or without its line ends */
    size_t length, position;
    bool in_group;
};

void header_address_start(struct header_address_list *list, char const *text, size_t length);

/* Reads the next address. After SYNTAX and TOO_LONG the list must not be read on. Time is linear in
 * the text, memory constant. */
enum header_address_result header_address_next(struct header_address_list *list,
                                               struct header_address *address);

#endif
