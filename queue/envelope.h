/* The envelope as records, the one place where its bytes are parsed.
 *
 * On the qmail-queue interface (fd 1) and in the injection protocol it is
 *   F sender NUL  [ V envid NUL ]  [ R return NUL ]
 *   ( T recipient NUL  [ N notify NUL ]  [ O orcpt NUL ] )+  NUL
 * V, R, N and O are what RFC 3461's parameters ENVID, RET, NOTIFY and ORCPT said (lib/dsn.h): envid
 * and orcpt as they came, in xtext; return `F` or `H`; notify `N` (NEVER) or some of `SFD`, in this
 * order. qmail knows none of the four, and an envelope without them is one of qmail's.
 * In a queue file the same, with the mark of a settled recipient in place of its T:
 *   + delivered, ! delivered and to be reported, - failed for good and to be reported
 * (all differ from T in five bits or more, so that no flipped bit settles a recipient, and from
 * each other in two). */
#ifndef EKIDEN_ENVELOPE_H
#define EKIDEN_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/dsn.h"

/* Bounds on what anybody can queue; exit code 11 beyond. The first is qmail-queue's own. */
#define ENVELOPE_ADDRESS_MAX    1003 /* octets */
#define ENVELOPE_RECIPIENTS_MAX 1000000
#define ENVELOPE_BYTES_MAX      (256u << 20)

enum envelope_mark {
    ENVELOPE_TODO = 'T',
    ENVELOPE_DONE = '+',
    ENVELOPE_DELIVERED = '!',
    ENVELOPE_FAILED = '-'
};
enum envelope_letter {
    ENVELOPE_SENDER = 'F',
    ENVELOPE_ENVID = 'V',
    ENVELOPE_RETURN = 'R',
    ENVELOPE_NOTIFY = 'N',
    ENVELOPE_ORCPT = 'O'
};

enum envelope_result {
    ENVELOPE_MORE,     /* well-formed so far */
    ENVELOPE_COMPLETE, /* the closing NUL was read */
    ENVELOPE_FORMAT,   /* not of the form above, or an address with a control character: 91 */
    ENVELOPE_TOO_LONG  /* a record or the number of recipients beyond the bounds: 11 */
};

/* An incremental parser: bytes may come in pieces of any size. */
struct envelope_parser {
    bool marks;          /* +, ! and - are allowed (a queue file) */
    unsigned int record; /* the one that is being read, or was the last */
    bool inside;
    size_t length; /* of its content so far */
    uint32_t recipients;
    char notify[DSN_LETTERS_MAX];
    struct dsn_check check;
};
void envelope_start(struct envelope_parser *parser, bool marks);

/* Parses up to LENGTH bytes; *used says how many belong to the envelope (all of them unless it is
 * COMPLETE before the end). After COMPLETE, FORMAT or TOO_LONG the parser must be started anew. */
enum envelope_result envelope_parse(struct envelope_parser *parser, char const *bytes,
                                    size_t length, size_t *used);

#endif
