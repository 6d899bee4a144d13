/* What each verb of SMTP does (RFC 5321 4.1.1), once it is parsed. */
#ifndef EKIDEN_VERBS_H
#define EKIDEN_VERBS_H

#include "smtpd/session.h"

/* Runs COMMAND and answers it. session->end says whether the session goes on. */
void verbs_run(struct session *session, struct command const *command);

#endif
