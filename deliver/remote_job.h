/* One transaction with one destination, as the scheduler hands it to ekiden-remote: a unixmessage
 * of text fields, each ended by NUL, with one descriptor (the queue file, read-only: use pread).
 *
 *   ( HOST NUL PORT NUL WAY NUL ){1,2} NUL LEVEL NUL NAME NUL AUTH NUL
 *   SENDER NUL OFFSET NUL LENGTH NUL SUM NUL FLAGS NUL DSN ( NUMBER NUL RECIPIENT NUL DSN )+
 * DSN are the fields of deliver/dsn_fields.h, where any was given.
 * The first line is a struct smtproute (lib/smtproutes.h). WAY is `mx` (HOST is a domain: its MX;
 * or an address literal in its brackets; no second one then) or `host` (HOST's own addresses, or
 * HOST is an address without brackets) or `lmtp` (the same, or HOST is the path of a socket and
 * PORT 0), each with `-tls` behind it for TLS from the first byte. LEVEL is `unset`, `none`, `may`,
 * `encrypt` or `verify`, with NAME, which may be empty, for the certificate. AUTH is a reference to
 * `authroutes`, or empty. FLAGS are letters: `8` for an 8BITMIME body, `U` for SMTPUTF8, `C` for
 * AUTH in the clear, in this order; may be empty. Each NUMBER is answered by itself
 * (deliver/job.h). */
#ifndef EKIDEN_REMOTE_JOB_H
#define EKIDEN_REMOTE_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <skalibs/stralloc.h>

#include "lib/dsn.h"
#include "lib/smtproutes.h"

#define REMOTE_JOB_RECIPIENTS_MAX 100 /* RFC 5321 4.5.3.1.8: what every server takes */

struct remote_job_recipient {
    uint64_t number;
    char const *address; /* NUL-terminated, into the bytes parsed */
    struct dsn_recipient dsn;
};
struct remote_job {
    struct smtproute route;
    char const *sender;
    bool body_8bit, smtputf8;
    struct dsn_message dsn;
    uint64_t offset, length, sum;
    unsigned int count;
    struct remote_job_recipient recipients[REMOTE_JOB_RECIPIENTS_MAX];
};

/* Appends the wire form to OUT. False when out of memory. */
bool remote_job_format(stralloc *out, struct remote_job const *job);

/* Parses BYTES; the strings point into it. False when it is not of the form (bounds, control
 * characters, numbers, a NUMBER twice, OFFSET + LENGTH beyond INT64_MAX): the scheduler is broken
 * then. */
bool remote_job_parse(struct remote_job *job, char const *bytes, size_t length);

#endif
