/* Domains as DNS and SMTP want them. */
#ifndef EKIDEN_REMOTE_NAME_H
#define EKIDEN_REMOTE_NAME_H

#include <stddef.h>

enum remote_name {
    REMOTE_NAME_OK,
    REMOTE_NAME_NONE,     /* no domain, too long, or it cannot be converted: for good */
    REMOTE_NAME_NO_MEMORY /* for now */
};

/* Writes DOMAIN to OUT (SIZE bytes, NUL-terminated) in lower case with its U-labels as A-labels
 * (IDNA 2008, RFC 5891; UTS 46 mapping without its transitional part). */
enum remote_name remote_name_ascii(char *out, size_t size, char const *domain);

#endif
