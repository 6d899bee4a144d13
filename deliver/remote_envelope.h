/* MAIL and RCPT: what may be said to this server, and how. */
#ifndef EKIDEN_REMOTE_ENVELOPE_H
#define EKIDEN_REMOTE_ENVELOPE_H

#include <stdbool.h>

#include <skalibs/stralloc.h>

#include "deliver/remote_extensions.h"
#include "deliver/remote_session.h"

/* Settles the recipients that no server can take because of the envelope: an address that cannot be
 * said in SMTP (control characters, malformed UTF-8, a domain that is none: unquoted it would end
 * the path and begin a parameter). 5.1.3; 5.1.7 for all of them when it is the sender's. */
void remote_envelope_check(struct remote_transaction *transaction);

/* Settles the recipients that this server cannot take: what it does not say that it can do. RFC
 * 1870 6.1 (5.3.4), RFC 6152 (5.6.3), RFC 6531 3.2 (5.6.7). PEER is for the texts. What is not
 * needed is not asked for: an ASCII message of an SMTPUTF8 session goes to any server. */
void remote_envelope_fit(struct remote_transaction *transaction,
                         struct remote_extensions const *extensions, char const *peer);

/* Makes the MAIL command, without CRLF, in LINE (owned by the caller); with what RFC 3461 has where
 * transaction->taken is JOB_PASSED_ON. False when out of memory. */
bool remote_envelope_mail(stralloc *line, struct remote_transaction const *transaction,
                          struct remote_extensions const *extensions);

/* Makes the RCPT command of RECIPIENT, in the same way. */
bool remote_envelope_rcpt(stralloc *line, struct remote_transaction const *transaction,
                          struct remote_recipient const *recipient);

/* Gives FAILURE to every recipient that is not settled. */
void remote_envelope_settle(struct remote_transaction *transaction, struct failure const *failure);

/* Opens those again that were deferred, with the reason in *failure. False when there are none. */
bool remote_envelope_reopen(struct remote_transaction *transaction, struct failure *failure);

/* How many recipients are not settled. */
unsigned int remote_envelope_open(struct remote_transaction const *transaction);

#endif
