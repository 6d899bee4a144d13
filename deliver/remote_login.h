/* AUTH as a client: PLAIN (RFC 4616), else LOGIN (draft-murchison-sasl-login), over RFC 4954. */
#ifndef EKIDEN_REMOTE_LOGIN_H
#define EKIDEN_REMOTE_LOGIN_H

#include "deliver/remote_talk.h"

/* Says who we are, with user and password of the session's way. False: *outcome is REMOTE_NEXT, or
 * REMOTE_NEXT_HOST when user or password was refused; talk->lost (4.x.x) says why and never holds
 * the password, even where the server repeats it. Nothing of the password stays in TALK.
 * session->may_quit is set. */
bool remote_login_run(struct remote_session *session, struct remote_talk *talk,
                      enum remote_outcome *outcome);

#endif
