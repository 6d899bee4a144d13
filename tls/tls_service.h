/* Who starts ekiden-tls, which runs only where somebody has asked for TLS (tls/tls_request.h). It
 * hears the requests itself; its starter holds their socket for the one that serves next: the
 * keeper of ekiden-smtpd, and tls_holder.h. */
#ifndef EKIDEN_TLS_SERVICE_H
#define EKIDEN_TLS_SERVICE_H

#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "lib/control.h"
#include "tls/tls_request.h"

struct tls_service {
    enum tls_role role;
    char const *program; /* path; the caller's. NULL: lib/program_path.h finds it */
    int requests;        /* for those who ask; -1 once closed */
    int reads;           /* the service's fd 0; -1 when nobody can ask any more */
    pid_t pid;           /* 0: it does not run */
    time_t started;
};

/* Makes the request socket of a service for ROLE. False: errno. */
bool tls_service_open(struct tls_service *service, enum tls_role role);

/* Called when all who may ask have inherited the socket, or at the end of all: closes the
 * starter's own copy. The service ends by itself when nobody can ask any more and its last
 * connection is over. */
void tls_service_close(struct tls_service *service);

/* To be polled: readable when somebody asks and nobody serves. */
struct pollfd tls_service_poll(struct tls_service const *service);

/* It is readable: starts ekiden-tls on CONTROL, as the caller's own user. One that has just
 * been started and is gone already is not started again within the second: who asks is told that
 * there is no TLS. */
void tls_service_check(struct tls_service *service, struct control const *control);

/* PID has ended. False when it is not the service. */
bool tls_service_ended(struct tls_service *service, pid_t pid);

#endif
