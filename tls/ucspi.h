/* ekiden-tls -u and -n: TLS for the program of one connection, as tcpserver, s6-tcpserver, inetd or
 * systemd start it: the connection is fd 0 and 1. PROGRAM is executed in the very process that was
 * started, with its user, environment and signals; processes that are no children of its do the
 * rest.
 *
 * -u offers UCSPI-TLS (ucspi-tls(2) of ucspi-ssl): SSLCTLFD, SSLREADFD, SSLWRITEFD. PROGRAM writes
 * `y` or `Y` to the first and goes on with the other two in place of 0 and 1; after `Y` it reads
 * from the first what TLS came to: strings `NAME=VALUE`, each ended by NUL, and one more NUL. When
 * there is no TLS all of them are at their end. -n begins at once, and PROGRAM has the plain side
 * as 0 and 1, and those strings in its environment. */
#ifndef EKIDEN_UCSPI_H
#define EKIDEN_UCSPI_H

#include "lib/control.h"

enum ucspi_mode { UCSPI_OFFERED, UCSPI_AT_ONCE };

/* Executes PROGRAM (a path or a name for PATH, arguments, 0). Returns an exit code, after logging,
 * when it cannot; with UCSPI_AT_ONCE also when the handshake failed. */
int ucspi_run(enum ucspi_mode mode, struct control const *control, char const *const *program);

#endif
