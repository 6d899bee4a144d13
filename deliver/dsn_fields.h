/* What RFC 3461 asks for, as fields of a job: those of an envelope's records (queue/envelope.h),
 * each of which may be missing, in this order:
 *
 *   V envid NUL   R return NUL     of the message
 *   N notify NUL  O orcpt NUL      of a recipient */
#ifndef EKIDEN_DSN_FIELDS_H
#define EKIDEN_DSN_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#include <skalibs/stralloc.h>

#include "lib/dsn.h"

/* Append them. False when out of memory. */
bool dsn_fields_add_message(stralloc *out, struct dsn_message const *message);
bool dsn_fields_add_recipient(stralloc *out, struct dsn_recipient const *recipient);

/* Take those that *BYTES begins with, of *LENGTH bytes; the strings point into it. False where one
 * is malformed. */
bool dsn_fields_next_message(struct dsn_message *message, char const **bytes, size_t *length);
bool dsn_fields_next_recipient(struct dsn_recipient *recipient, char const **bytes, size_t *length);

#endif
