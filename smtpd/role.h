/* What a port is for: the same protocol under different restrictions. */
#ifndef EKIDEN_ROLE_H
#define EKIDEN_ROLE_H

#include <stdbool.h>
#include <stddef.h>

enum role {
    ROLE_MX,         /* between servers: no AUTH, STARTTLS where there is a certificate */
    ROLE_SUBMISSION, /* from users (RFC 6409): no AUTH without TLS, no MAIL without AUTH */
    ROLE_SUBMISSIONS /* the same, and TLS from the first octet (RFC 8314) */
};

/* `mx`, `submission`, `submissions`. False for anything else. */
bool role_parse(enum role *role, char const *text, size_t length);
char const *role_name(enum role role);

#endif
