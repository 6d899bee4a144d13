/* AUTH (RFC 4954) with PLAIN (RFC 4616) and LOGIN: the exchange with the client and the question to
 * the helper, which alone knows whether a password is right. */
#ifndef EKIDEN_AUTHENTICATION_H
#define EKIDEN_AUTHENTICATION_H

#include <stdbool.h>

#include "smtpd/session.h"

/* True when EHLO may name AUTH: the port's role takes logins, TLS has begun, nobody has logged in.
 */
bool authentication_is_offered(struct session const *session);

/* The command, to its end. */
void authentication_run(struct session *session, struct command const *command);

/* True when MAIL may be said; else it was refused (530 5.7.0) and logged: the port is for users,
 * and nobody has logged in. */
bool authentication_allows_mail(struct session *session);

#endif
