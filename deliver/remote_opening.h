/* How a session begins: TLS when it is implicit, the greeting, EHLO or HELO, STARTTLS and EHLO once
 * more, AUTH. RFC 5321 4.1.1.1, RFC 3207, RFC 8314, RFC 4954. */
#ifndef EKIDEN_REMOTE_OPENING_H
#define EKIDEN_REMOTE_OPENING_H

#include "deliver/remote_talk.h"

/* True: the server takes mail now, with TALK's extensions, and session says how. False: *outcome is
 * one of the REMOTE_ but SETTLED, talk->lost says why, and session->may_quit is set. */
bool remote_opening_run(struct remote_session *session, struct remote_talk *talk,
                        enum remote_outcome *outcome);

#endif
