/* What may still be done by whatever talks to other hosts: sockets and memory; no file, no program,
 * no process. */
#ifndef EKIDEN_REMOTE_FENCE_H
#define EKIDEN_REMOTE_FENCE_H

/* After this only descriptors that are open already can be read. Dies with exit 111 on failure. */
void remote_fence_enter(void);

#endif
