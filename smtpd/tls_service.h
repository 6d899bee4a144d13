/* The keeper's side of tls/tls_request.h: ekiden-tls, which runs only where a session has asked for
 * TLS. It hears the requests itself; the keeper holds their socket for whoever serves next. */
#ifndef EKIDEN_TLS_SERVICE_H
#define EKIDEN_TLS_SERVICE_H

#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "lib/control.h"

struct tls_service {
    int requests; /* for dialogues to write to; -1 once closed */
    int reads;    /* the service's fd 0; -1 when nobody can ask any more */
    pid_t pid;    /* 0: it does not run */
    time_t started;
};

/* Makes the request socket. False: errno. */
bool tls_service_open(struct tls_service *service);

/* Called when all who may ask have inherited the socket, or at the end of all: closes the keeper's
 * own copy. The service ends by itself when nobody can ask any more and its last connection is
 * over.
 */
void tls_service_close(struct tls_service *service);

/* To be polled: readable when somebody asks and nobody serves. */
struct pollfd tls_service_poll(struct tls_service const *service);

/* It is readable: starts `ekiden-tls -s` on CONTROL, as the keeper's own user. One that has just
 * been started and is gone already is not started again within the second: who asks is told that
 * there is no TLS. */
void tls_service_check(struct tls_service *service, struct control const *control);

/* PID has ended. False when it is not the service. */
bool tls_service_ended(struct tls_service *service, pid_t pid);

#endif
