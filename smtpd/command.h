/* Command lines into commands: the table of verbs, and the parameters of MAIL and RCPT.
 * Nothing here knows of a session; bytes in, values out. */
#ifndef EKIDEN_COMMAND_H
#define EKIDEN_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/address.h"
#include "lib/dsn.h"

enum command_name {
    COMMAND_HELO,
    COMMAND_EHLO,
    COMMAND_MAIL,
    COMMAND_RCPT,
    COMMAND_DATA,
    COMMAND_RSET,
    COMMAND_NOOP,
    COMMAND_VRFY,
    COMMAND_EXPN,
    COMMAND_HELP,
    COMMAND_QUIT,
    COMMAND_STARTTLS,
    COMMAND_AUTH,
    COMMAND_BDAT,    /* octets follow at once, which must not be run as commands */
    COMMAND_OFF,     /* known, but not offered here: 502 5.5.1 */
    COMMAND_FOREIGN, /* another protocol's: one reply, then close */
    COMMAND_UNKNOWN  /* 500 5.5.1 */
};

struct command {
    enum command_name name;
    bool excess;          /* an argument where the verb takes none: 501 5.5.4 */
    bool idle;            /* brings a message no nearer: counted */
    char const *argument; /* after the verb and its blanks, trailing blanks cut */
    size_t length;
};

/* Parses a LINE of LENGTH bytes, without CRLF, NUL, CR, LF. The argument points into LINE. */
void command_parse(struct command *command, char const *line, size_t length);

/* The longest line, octets with CRLF, for the verb at LINE (an input_limit_func). */
size_t command_limit(char const *line, size_t length);

/* What the arguments of MAIL and RCPT can come to. */
enum command_result {
    COMMAND_OK,
    COMMAND_SYNTAX,            /* no `FROM:<...>`: 501 5.5.4 */
    COMMAND_ADDRESS_SYNTAX,    /* 501 5.1.7, 5.1.3 */
    COMMAND_ADDRESS_TOO_LONG,  /* 501 5.1.7, 5.1.3 */
    COMMAND_ADDRESS_UTF8,      /* 553 5.6.7 */
    COMMAND_PARAMETER_SYNTAX,  /* 501 5.5.4 */
    COMMAND_PARAMETER_TWICE,   /* 501 5.5.4 */
    COMMAND_PARAMETER_UNKNOWN, /* 555 5.5.4, also for any parameter without EHLO */
    COMMAND_SIZE_SYNTAX,       /* 501 5.5.4 */
    COMMAND_BODY_UNKNOWN,      /* 501 5.5.4; a known parameter with a value that is not */
    COMMAND_AUTH_SYNTAX,       /* 501 5.5.4; so are the rest */
    COMMAND_RET_UNKNOWN,
    COMMAND_ENVID_SYNTAX,
    COMMAND_NOTIFY_UNKNOWN,
    COMMAND_ORCPT_SYNTAX
};

struct command_mail {
    struct address sender; /* length 0: the null sender */
    uint64_t size;         /* declared, octets; UINT64_MAX for anything larger; 0: not declared */
    bool body_8bit, smtputf8;
    bool auth; /* there was an AUTH parameter (RFC 4954 5), which is checked and means nothing here
                */
    bool dsn;  /* there was a parameter of RFC 3461 */
    enum dsn_return return_wish;
    char const *envid; /* into the argument; 0: not given */
    size_t envid_length;
};

struct command_rcpt {
    struct address recipient;
    bool smtputf8;       /* MAIL had asked for it */
    bool dsn;            /* as above */
    unsigned int notify; /* enum dsn_notify; 0: not given */
    char const *orcpt;   /* into the argument; 0: not given */
    size_t orcpt_length;
};

/* Parses the argument of MAIL (RFC 5321 4.1.1.2, 1870, 6152, 6531, 4954, 3461). Blanks after the
 * colon are accepted, because old clients send them; everything else is as the RFC has it. */
enum command_result command_parse_mail(struct command_mail *mail, char const *argument,
                                       size_t length, bool extended);

/* A chunk of RFC 3030. */
struct command_chunk {
    uint64_t size; /* octets that follow the command */
    bool last;
};

/* Parses the argument of BDAT: a number below 2^63, and LAST or nothing. COMMAND_SYNTAX otherwise.
 */
enum command_result command_parse_bdat(struct command_chunk *chunk, char const *argument,
                                       size_t length);

/* Parses the argument of RCPT (RFC 5321 4.1.1.3, 3461, 6533 3). SMTPUTF8 says what MAIL asked for.
 */
enum command_result command_parse_rcpt(struct command_rcpt *rcpt, char const *argument,
                                       size_t length, bool extended, bool smtputf8);

#endif
