/* Who is on the other end of a connection. */
#ifndef EKIDEN_CLIENT_H
#define EKIDEN_CLIENT_H

#include <stdbool.h>

#include "smtpd/connection.h"

/* Fills in the addresses of CONNECTION from its input's socket; ::ffff:a.b.c.d becomes IPv4.
 *
 * Only where the input is no internet socket, and only with ENVIRONMENT (a process for one
 * connection), the address comes from what the super-server set: TCPREMOTEIP and TCPREMOTEPORT
 * (UCSPI) or REMOTE_ADDR and REMOTE_PORT (systemd). RELAYCLIENT is taken with ENVIRONMENT as well,
 * and only beside TCPREMOTEIP: tcprules set it for one client. In the environment of a listener it
 * would open relaying for everybody, so there it is never looked at. */
void client_identify(struct connection *connection, bool environment);

/* TEXT as an address; ::ffff:a.b.c.d becomes IPv4, and a zone (%eth0) is dropped. False: it is
 * none. TEXT may be 0. */
bool client_address(char const *text, ip46 *ip);

/* Gives CONNECTION its role, unless its listener has one: by its local port. PORTS may be 0: the
 * standard ones. RELAYCLIENT then counts in the role mx alone: on a port for users nothing takes
 * the place of a login. */
void client_choose_role(struct connection *connection, struct role_ports const *ports);

/* For a process of one connection. Takes the TLS engine that the environment offers by UCSPI-TLS:
 * SSLCTLFD, SSLREADFD and SSLWRITEFD, where all three are open descriptors. Without these,
 * SSL_PROTOCOL and SSL_CIPHER say that the super-server has begun TLS already. */
void client_take_tls(struct connection *connection);

#endif
