/* Domains as DNS and SMTP want them. */
#ifndef EKIDEN_REMOTE_NAME_H
#define EKIDEN_REMOTE_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* Writes DOMAIN to OUT (SIZE bytes, NUL-terminated) in lower case with its U-labels as A-labels
 * (IDNA 2008, RFC 5891; UTS 46 mapping without its transitional part). False when it is no domain,
 * too long, or cannot be converted. */
bool remote_name_ascii(char *out, size_t size, char const *domain);

#endif
