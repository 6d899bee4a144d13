/* Text fields, each ended by NUL: the form of what the scheduler and its agents say to each other.
 */
#ifndef EKIDEN_FIELDS_H
#define EKIDEN_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <skalibs/stralloc.h>

/* Splits the first field off: *BYTES and *LENGTH move behind its NUL. NULL when there is none. */
char const *fields_next(char const **bytes, size_t *length);

/* Splits BYTES into exactly COUNT fields, with nothing left over. */
bool fields_split(char const **fields, size_t count, char const *bytes, size_t length);

/* A decimal number: digits, nothing before, between or after them. */
bool fields_scan_number(char const *text, uint64_t *value);
/* 16 hexadecimal digits. */
bool fields_scan_sum(char const *text, uint64_t *value);

/* True when TEXT has at most MAXIMUM bytes and none of them is a control character: it may end up
 * in a header, a path or a log, where one would be a line of its own. */
bool fields_is_text(char const *text, size_t maximum);

/* Append a field. False when out of memory. */
bool fields_add_text(stralloc *out, char const *text);
bool fields_add_number(stralloc *out, uint64_t value);
bool fields_add_sum(stralloc *out, uint64_t sum);

#endif
