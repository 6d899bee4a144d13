/* ekiden-tls -c: TLS as client for who asks. All of it is user ekident's: there is no secret. A
 * master, which keeps its way to files and meets no peer's byte, starts a template with the
 * authorities of the moment, and another one when they change. */
#ifndef EKIDEN_CLIENT_SERVICE_H
#define EKIDEN_CLIENT_SERVICE_H

#include "lib/control.h"

/* Serves requests from the packet socket REQUESTS until nobody is left who could ask, or SIGTERM.
 * Returns the exit code: 0, or 111 after logging why it cannot begin. */
int client_service_run(int requests, struct control const *control);

#endif
