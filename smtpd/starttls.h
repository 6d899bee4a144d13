/* TLS in a session: STARTTLS (RFC 3207), and from the first octet (RFC 8314). */
#ifndef EKIDEN_STARTTLS_H
#define EKIDEN_STARTTLS_H

#include <stdbool.h>

#include "smtpd/session.h"

/* Before all else: is there TLS already? */
void starttls_start(struct session *session);

/* True when EHLO may name STARTTLS: there is a certificate or a UCSPI-TLS engine, and no TLS yet.
 */
bool starttls_is_offered(struct session const *session);

/* The command. After it the session knows nothing of what was said before; when TLS failed,
 * session->end says so. */
void starttls_run(struct session *session, struct command const *command);

/* TLS before the greeting, where the port's role wants it and the connection does not have it. A
 * client that is one too many gets no handshake. False: session->end says why, and nothing may be
 * said. */
bool starttls_begin(struct session *session);

#endif
