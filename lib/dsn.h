/* The values of RFC 3461's parameters ENVID, ORCPT, RET and NOTIFY, with the address type utf-8 of
 * RFC 6533: the one place that knows their syntax. They are kept as they came, in xtext. */
#ifndef EKIDEN_DSN_H
#define EKIDEN_DSN_H

#include <stdbool.h>
#include <stddef.h>

#define DSN_ENVID_MAX 100 /* octets of xtext: RFC 3461 4.4 */
#define DSN_ORCPT_MAX 500 /* octets, type included: 4.2 */

/* RET: how much of the message a failure report returns. */
enum dsn_return { DSN_RETURN_UNSET = 0, DSN_RETURN_FULL = 'F', DSN_RETURN_HEADERS = 'H' };

/* NOTIFY as bits; 0 where none was given. NEVER stands alone. */
enum dsn_notify { DSN_NEVER = 1, DSN_SUCCESS = 2, DSN_FAILURE = 4, DSN_DELAY = 8 };
#define DSN_LETTERS_MAX 3 /* of NOTIFY in an envelope: `N`, or some of `SFD` in this order */

/* What a sender asks for, of a message and of one of its recipients. */
struct dsn_message {
    char const *envid; /* in xtext, NUL-terminated. NULL: not given */
    enum dsn_return return_wish;
};
struct dsn_recipient {
    unsigned int notify; /* 0: not given */
    char const *orcpt;   /* as envid, with its type */
};

/* Checks a value byte by byte, for who has it in pieces: no control character, blank or `=`; `+`
 * only before two upper-case digits, of an octet that is no control but a tab; bytes beyond ASCII
 * in an ORCPT of type utf-8 only; an ORCPT begins with its type, an atom, and `;`. */
struct dsn_check {
    bool orcpt, utf8;
    bool typed; /* the `;` was read */
    unsigned int digits, value;
    size_t length, type_length;
};
void dsn_check_start(struct dsn_check *check, bool orcpt);
bool dsn_check_byte(struct dsn_check *check, unsigned char byte);
/* Was that all of a value, which has a content? */
bool dsn_check_end(struct dsn_check const *check);

/* A whole value, its length as well. */
bool dsn_is_envid(char const *text, size_t length);
bool dsn_is_orcpt(char const *text, size_t length);

/* The value of NOTIFY: NEVER, or a list of SUCCESS, FAILURE, DELAY, in any case, each once at most.
 * 0: it is not. */
unsigned int dsn_parse_notify(char const *text, size_t length);
/* The bits as a value of NOTIFY ("SUCCESS,DELAY"), and as letters of an envelope ("SD"): constant
 * strings, empty for 0. BITS come from dsn_parse_notify or dsn_notify_bits. */
char const *dsn_notify_value(unsigned int bits);
char const *dsn_notify_letters(unsigned int bits);
/* Letters of an envelope as bits. 0: they are none. */
unsigned int dsn_notify_bits(char const *letters, size_t length);

/* An ORCPT for servers that need not know of SMTPUTF8: each character beyond ASCII becomes \x{...}
 * (RFC 6533 3). False when it is no UTF-8, or is longer than DSN_ORCPT_MAX then. */
bool dsn_orcpt_ascii(char out[DSN_ORCPT_MAX + 1], char const *orcpt);

/* Decodes a checked value into OUT, which has room for LENGTH + 1 bytes; NUL-terminated. Octets
 * beyond ASCII that are encoded stay so: nobody knows their character set. */
void dsn_decode(char *out, char const *text, size_t length);

#endif
