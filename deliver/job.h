/* What the scheduler tells an agent of local delivery, and what it hears from every agent: skalibs
 * unixmessage over a stream socket that the agent has as fd 0. Text fields, each ended by NUL.
 *
 * job, with one descriptor (the queue file, read-only, shared: use pread):
 *   JOB NUL KIND NUL TARGET NUL EXTENSION NUL RECIPIENT NUL SENDER NUL OFFSET NUL LENGTH NUL SUM
 * NUL FLAGS NUL DSN answer: JOB NUL LETTER NUL TEXT NUL JOB is the scheduler's number of the
 * delivery (decimal); OFFSET and LENGTH (decimal) say where the message bytes lie, SUM (16
 * hexadecimal digits) is their checksum. FLAGS are letters: `8` for an 8BITMIME body, `U` for
 * SMTPUTF8. The KINDs are those of enum job_kind. DSN are the fields of deliver/dsn_fields.h: the
 * message's, then the recipient's. */
#ifndef EKIDEN_JOB_H
#define EKIDEN_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <skalibs/stralloc.h>

#include "lib/dsn.h"

#define JOB_TEXT_MAX    400  /* bytes of an answer's text; longer is cut */
#define JOB_MAILBOX_MAX 511  /* bytes of a mailbox path: ROUTING_MAILBOX_MAX without its NUL */
#define JOB_TARGET_MAX  8191 /* bytes of any target */
#define JOB_ADDRESS_MAX 1003 /* bytes of an address: ENVELOPE_ADDRESS_MAX */

enum job_result {
    JOB_DELIVERED = 'K', /* durable at its destination */
    /* As JOB_DELIVERED, said where the sender asked to be told of success (RFC 3461): */
    JOB_RELAYED = 'R',    /* by a server that will not report it */
    JOB_PASSED_ON = 'P',  /* whoever has it now reports it, and the scheduler must not */
    JOB_EXPANDED = 'E',   /* as a copy for each of several addresses */
    JOB_DEFERRED = 'Z',   /* try again later; TEXT begins with an enhanced code 4.x.x */
    JOB_FAILED = 'D',     /* never; TEXT begins with 5.x.x */
    JOB_CORRUPT = 'C',    /* the message bytes do not fit their checksum: nothing was delivered */
    JOB_UNREACHABLE = 'N' /* as JOB_DEFERRED, of remote delivery: the destination itself could not
                             be reached or would not speak, none of its hosts (no address, no
                             connection, a greeting or EHLO refused, silence or an end before MAIL
                             was answered), so other mail for it need not be tried now */
};

enum job_kind {
    JOB_MAILBOX = 'm', /* TARGET: a mailbox folder below the mail root */
    JOB_SYSTEM = 's',  /* TARGET: an account; EXTENSION: what followed its name's `-` */
    JOB_ALIAS = 'a'    /* TARGET: addresses, separated by LF; EXTENSION: the sender of what is
                          forwarded, when it is not SENDER */
};

struct job {
    uint64_t number;
    enum job_kind kind;
    char const *target, *extension, *recipient, *sender; /* NUL-terminated, into the bytes parsed */
    uint64_t offset, length, sum;
    bool body_8bit, smtputf8;
    struct dsn_message dsn; /* what the sender asked for, of the message and of RECIPIENT */
    struct dsn_recipient dsn_recipient;
};
struct job_answer {
    uint64_t number;
    enum job_result result;
    char const *text;
};

/* True for JOB_DELIVERED and its kinds. */
bool job_is_delivered(enum job_result result);

/* Append the wire form to OUT. False when out of memory. An answer's text is cut, and its control
 * characters become `?`. */
bool job_format(stralloc *out, struct job const *job);
bool job_answer_format(stralloc *out, struct job_answer const *answer);

/* Parse BYTES; the strings point into it. False when it is not of the form: a number too large, a
 * string too long or with a control character, no target or recipient, OFFSET + LENGTH beyond
 * INT64_MAX, bytes left over. A job that is refused still gets its number, 0 when not even that was
 * readable, so that it can be answered. */
bool job_parse(struct job *job, char const *bytes, size_t length);
bool job_answer_parse(struct job_answer *answer, char const *bytes, size_t length);

#endif
