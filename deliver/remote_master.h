/* The agent's master: takes jobs from the scheduler, gives each to a process, one of its own or one
 * whose connection waits for more mail of that way, and passes the answers on. It meets no byte of
 * another host but in answers of the exact form, each for a recipient that was asked about, each
 * once. */
#ifndef EKIDEN_REMOTE_MASTER_H
#define EKIDEN_REMOTE_MASTER_H

#include "deliver/remote_settings.h"
#include "lib/control.h"

/* Serves the scheduler at the other end of SOCKET until it leaves or SIGTERM or SIGINT comes; then
 * deliveries get a few seconds to end. TLS_SERVICE is where they ask for TLS, or -1. The settings,
 * from CONTROL, are loaded anew when files change, for jobs that come after. Returns the exit code:
 * 0, 111 where the system or the scheduler failed (logged). */
int remote_master_serve(int socket, int tls_service, struct control const *control);

#endif
