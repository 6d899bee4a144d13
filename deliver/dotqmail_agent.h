/* The agent for one user: his jobs in, answers out, one after the other. */
#ifndef EKIDEN_DOTQMAIL_AGENT_H
#define EKIDEN_DOTQMAIL_AGENT_H

#include "deliver/dotqmail.h"

/* Serves ekiden-launch at the other end of SOCKET, until it closes it or SIGTERM comes; the
 * delivery at hand is finished and answered first. HOME_ERROR is the errno value with which the
 * user's home could not be entered, 0 when it is the current folder: each job is deferred then.
 * Returns the exit code. */
int dotqmail_agent_serve(int socket, struct dotqmail *dotqmail, int home_error);

#endif
