/* ekiden-tls -s: TLS as server for who asks. A master, which starts as root and meets nobody's
 * byte; the key process; the template of the engines. */
#ifndef EKIDEN_SERVER_SERVICE_H
#define EKIDEN_SERVER_SERVICE_H

#include "lib/control.h"

/* Serves requests from the packet socket REQUESTS until nobody is left who could ask, or SIGTERM,
 * and then to the end of the last connection. Returns the exit code: 0, or 111 after logging why it
 * cannot begin. */
int server_service_run(int requests, struct control const *control);

#endif
