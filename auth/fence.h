/* What ekiden-auth may still do when it reads what a stranger sent. */
#ifndef EKIDEN_AUTH_FENCE_H
#define EKIDEN_AUTH_FENCE_H

#include <stdbool.h>

/* Limits, file system and system calls. STATE and PASSWORDS are descriptors of folders, the second
 * -1 where there is none. */
void fence_close(int state, int passwords);

#endif
