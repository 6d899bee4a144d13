/* The descriptors that every program expects to have. */
#ifndef EKIDEN_DESCRIPTORS_H
#define EKIDEN_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>

/* Opens /dev/null for each of 0, 1 and 2 that is not open: what is opened later would get its
 * number, and be read, or written to, by mistake. False: errno. */
bool descriptors_standard(void);

/* Called before it by what serves a connection on fd 0: closes 2 where it is the same socket. inetd
 * gives the client's socket as standard error too, and the client must not read the log. */
void descriptors_hide_log(void);

/* Closes all descriptors but the COUNT in KEPT, which it sorts; ends the process when that fails.
 * A fork inherits whatever its parent has open (the control folder, the ends on which it hears its
 * children); close-on-exec is no help where nothing is executed. Call it before a fence goes up. */
void descriptors_keep(int *kept, size_t count);

#endif
