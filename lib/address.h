/* Mailbox addresses by RFC 5321 section 4.1.2 and 4.1.3, with RFC 6531's UTF-8.
 *
 * An address is kept unquoted: the local part as the bytes that it means, `@`, the domain in lower
 * case (ASCII letters). A domain never holds an `@`, so the last `@` always divides the two: the
 * same form as in qmail's envelopes. */
#ifndef EKIDEN_ADDRESS_H
#define EKIDEN_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include <skalibs/ip46.h>
#include <skalibs/stralloc.h>

#define ADDRESS_LOCAL_MAX                                                                          \
    64                         /* RFC 5321 4.5.3.1.1, octets;                                      \
                                  save for a rewritten sender: address_is_rewritten */
#define ADDRESS_DOMAIN_MAX 255 /* 4.5.3.1.2 */
#define ADDRESS_LABEL_MAX  63
#define ADDRESS_PATH_MAX   256 /* 4.5.3.1.3, with the angle brackets */
#define ADDRESS_MAX        (ADDRESS_LOCAL_MAX + 1 + ADDRESS_DOMAIN_MAX)

enum address_result {
    ADDRESS_OK,
    ADDRESS_SYNTAX,   /* not in the grammar: 501 5.1.3 (recipient) or 5.1.7 (sender) */
    ADDRESS_TOO_LONG, /* beyond the limits above: 501 5.1.3 or 5.1.7 */
    ADDRESS_UTF8      /* non-ASCII without SMTPUTF8: 553 5.6.7; or malformed UTF-8: 501 */
};

enum address_domain {
    ADDRESS_DOMAIN_NONE,   /* no domain: the null path `<>`, or a bare local part */
    ADDRESS_DOMAIN_NAME,   /* a host name */
    ADDRESS_DOMAIN_LITERAL /* [192.0.2.1] or [IPv6:...], checked, kept with its brackets */
};

struct address {
    char bytes[ADDRESS_MAX + 1]; /* NUL-terminated for the log; no NUL inside */
    size_t length;
    size_t local_length; /* bytes before the `@`; equal to length without a domain */
    enum address_domain domain;
    bool utf8; /* holds non-ASCII */
};

/* The domain of A: pointer and length; length 0 without one. */
char const *address_domain(struct address const *address, size_t *length);

/* Parses a path at TEXT: `<` [source route `:`] mailbox `>`. The route is checked and ignored
 * (RFC 5321 appendix C). On ADDRESS_OK *consumed is the length of the path, `>` included, and what
 * follows is the caller's. Empty `<>` gives length 0. UTF8 allows RFC 6531's non-ASCII.
 * A mailbox without a domain is ADDRESS_OK with ADDRESS_DOMAIN_NONE: the caller decides; its local
 * part may hold an `@` (`<"x@y.example">`) and must not be taken for an address then.
 * An empty local part (`<""@domain>`) is ADDRESS_SYNTAX: unquoted it could not be told from a
 * domain alone. */
enum address_result address_parse_path(struct address *address, char const *text, size_t length,
                                       bool utf8, size_t *consumed);

/* True for the local part of a sender that somebody who forwards has rewritten (SRS): `SRS0` or
 * `SRS1` in letters of either case, then `=`, `+` or `-`. It holds an address and more, and so may
 * be as long as the path; all who forward send such, and who refuses them loses mail. */
bool address_is_rewritten(char const *local, size_t length);

/* True when the LENGTH bytes are a host name: labels of letters, digits, hyphens (and underscores,
 * which exist), or with UTF8 of valid U-labels; no empty label, limits as above. */
bool address_is_domain(char const *text, size_t length, bool utf8);

/* The length of a host name without the dot at its end: resolvers take a name with it for the same,
 * and no list has it. */
size_t address_rootless(char const *name, size_t length);

/* True for a valid address literal, with its brackets. */
bool address_is_literal(char const *text, size_t length);

/* The address that a literal names, for a comparison by value. False when it is not a literal.
 * ::ffff:a.b.c.d comes out as the IPv4 address. */
bool address_literal_ip(char const *text, size_t length, ip46 *ip);

/* Writes the address that TEXT names, in the one spelling that stands for its several ones; TEXT
 * may be a literal, in brackets only, or neither, as a relay is in the end. False when it is none.
 */
bool address_spell_ip(char spelled[IP46_FMT + 1], char const *text, size_t length);

/* True when the bytes are well-formed UTF-8 without control characters, U+0000, surrogates or
 * bidirectional marks. Plain ASCII passes. */
bool address_is_utf8(char const *text, size_t length);

/* Appends the address in the form of the wire, without angle brackets: the local part quoted where
 * the grammar asks for it. ADDRESS is an unquoted string as in the envelope (domain after the last
 * `@`). False when out of memory. */
bool address_quote(stralloc *out, char const *address, size_t length);

#endif
