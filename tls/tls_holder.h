/* A process that starts ekiden-tls as client service for a program that gives its privilege up, and
 * so could not start it again: it has become that user before. It holds the request socket, starts
 * the service at the first request, and anew where it died. It meets no byte of another host. */
#ifndef EKIDEN_TLS_HOLDER_H
#define EKIDEN_TLS_HOLDER_H

#include <sys/types.h>

#include "lib/control.h"

struct tls_holder {
    pid_t pid;
    int requests; /* for those who ask, close-on-exec: tls/tls_request.h */
};

enum tls_holder_result {
    TLS_HOLDER_STARTED,
    TLS_HOLDER_ABSENT, /* ekiden-tls is not installed: logged. There is no TLS, and all else goes on
                        */
    TLS_HOLDER_FAILED  /* the user is missing, or a system call failed: logged */
};

/* Starts it for the program PATH on CONTROL, as CONFIGURED_USER_TLS when the caller is root. It
 * inherits fd 2 and nothing else, and ends when nobody can ask any more. */
enum tls_holder_result tls_holder_start(struct tls_holder *holder, char const *path,
                                        struct control const *control);

#endif
