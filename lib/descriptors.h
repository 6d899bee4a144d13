/* The descriptors that every program expects to have. */
#ifndef EKIDEN_DESCRIPTORS_H
#define EKIDEN_DESCRIPTORS_H

#include <stdbool.h>

/* Opens /dev/null for each of 0, 1 and 2 that is not open: what is opened later would get its
 * number, and be read, or written to, by mistake. False: errno. */
bool descriptors_standard(void);

/* Called before it by what serves a connection on fd 0: closes 2 where it is the same socket. inetd
 * gives the client's socket as standard error too, and the client must not read the log. */
void descriptors_hide_log(void);

#endif
