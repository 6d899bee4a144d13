/* UTF-8 as RFC 3629 has it, one character at a time, without those that an address must not hold.
 */
#ifndef EKIDEN_UTF8_H
#define EKIDEN_UTF8_H

#include <stddef.h>

/* The length, 1 to 4 octets, of the character at TEXT, of which LENGTH octets (at least one) may be
 * read. 0 when it is malformed, cut, overlong, a surrogate, or one that misleads a reader: control
 * characters, line separators, bidirectional marks, the byte order mark. */
size_t utf8_next(char const *text, size_t length);

#endif
