/* Injectors for the sessions of a listener: processes of the queue's user, each of which serves one
 * session at a time, and waits for the next one when it has gone. All they could do to the queue
 * they could do as one process as well, which is why a session needs none of its own. */
#ifndef EKIDEN_INJECTORS_H
#define EKIDEN_INJECTORS_H

#include <sys/types.h>

#include "smtpd/template.h"

/* Forks the process that keeps a few injectors waiting at REQUESTS, the other end of
 * injector_requests: a packet there is HELPER_INJECTOR and the session's socket. It ends when
 * nobody can ask any more and its last injector has ended. -1: logged. */
pid_t injectors_start(struct template const *template, int requests);

#endif
