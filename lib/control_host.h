/* Host names from control files. */
#ifndef EKIDEN_CONTROL_HOST_H
#define EKIDEN_CONTROL_HOST_H

#include "lib/control.h"

/* Reads the host name in the file NAME, in lower case; FALLBACK where there is none. On CONTROL_OK
 * and CONTROL_ABSENT *host is the caller's to free. */
enum control_result control_host(char **host, struct control const *control, char const *name,
                                 char const *fallback, struct control_error *error);

/* The file `me`: this host's full name; without it the name that the system has, which must be a
 * domain then. */
enum control_result control_me(char **me, struct control const *control,
                               struct control_error *error);

#endif
