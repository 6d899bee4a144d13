/* Domain names of SPF: what a sender, a HELO or a macro gives, as a name that can be asked for. */
#ifndef EKIDEN_SPF_NAME_H
#define EKIDEN_SPF_NAME_H

#include <stddef.h>

#include "lib/dns.h"

#define SPF_NAME_MAX 253 /* bytes of the plain form (RFC 7208 section 7.3), without a last dot */

struct spf_name {
    char plain[SPF_NAME_MAX + 1]; /* as it came: what %{d} is */
    char dns[DNS_NAME_MAX];       /* presentation form (lib/dns.h), in lower case */
};

enum spf_name_result {
    SPF_NAME_OK,
    SPF_NAME_MALFORMED /* one label only, an empty or too long one, or too long in all; bytes that
                          are not ASCII, or control characters */
};

/* Takes TEXT, with or without a last dot, as the name of at least two labels. Any printable ASCII
 * may be in one, blanks too (%_). */
enum spf_name_result spf_name_make(struct spf_name *name, char const *text, size_t length);

#endif
