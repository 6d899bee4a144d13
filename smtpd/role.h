/* What a port is for: the same protocol under different restrictions. */
#ifndef EKIDEN_ROLE_H
#define EKIDEN_ROLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/control.h"

#define ROLE_PORTS_MAX 64

enum role {
    ROLE_MX,         /* between servers: no AUTH, STARTTLS where there is a certificate */
    ROLE_SUBMISSION, /* from users (RFC 6409): no AUTH without TLS, no MAIL without AUTH */
    ROLE_SUBMISSIONS /* the same, and TLS from the first octet (RFC 8314) */
};

/* `mx`, `submission`, `submissions`. False for anything else. */
bool role_parse(enum role *role, char const *text, size_t length);
char const *role_name(enum role role);

/* The control file portroles: which port has which role, where the listener itself has none. */
struct role_ports {
    struct role_port {
        uint16_t port;
        enum role role;
    } entries[ROLE_PORTS_MAX];
    size_t count;
};

/* Lines PORT:ROLE. Without the file: 25 mx, 587 and 2525 submission, 465 submissions. */
enum control_result role_ports_load(struct role_ports *ports, struct control const *control,
                                    struct control_error *error);

/* The role of PORT; mx when it is not listed. PORTS may be 0: the standard ones. */
enum role role_of_port(struct role_ports const *ports, uint16_t port);

#endif
