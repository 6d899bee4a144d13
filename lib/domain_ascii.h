/* Domains as DNS and SMTP want them. */
#ifndef EKIDEN_DOMAIN_ASCII_H
#define EKIDEN_DOMAIN_ASCII_H

#include <stddef.h>

enum domain_ascii_result {
    DOMAIN_ASCII_OK,
    DOMAIN_ASCII_NONE,     /* no domain, too long, or it cannot be converted: for good */
    DOMAIN_ASCII_NO_MEMORY /* for now */
};

/* Writes DOMAIN to OUT (SIZE bytes, NUL-terminated) in lower case with its U-labels as A-labels
 * (IDNA 2008, RFC 5891; UTS 46 mapping without its transitional part). */
enum domain_ascii_result domain_ascii(char *out, size_t size, char const *domain);

/* Writes DOMAIN (LENGTH bytes) to OUT (SIZE bytes) as lists compare it: its U-labels as A-labels,
 * where it has any and can be converted, else as it is. Returns how long it became, without a NUL;
 * 0: it does not fit. */
size_t domain_key(char *out, size_t size, char const *domain, size_t length);

#endif
