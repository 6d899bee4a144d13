/* MAIL and RCPT (RFC 5321 4.1.1.2, 4.1.1.3): who sends a message, and to whom. */
#ifndef EKIDEN_ENVELOPE_VERBS_H
#define EKIDEN_ENVELOPE_VERBS_H

#include "smtpd/session.h"

void envelope_verbs_mail(struct session *session, struct command const *command);
void envelope_verbs_rcpt(struct session *session, struct command const *command);

#endif
