/* What the scheduler can still do once it has started. */
#ifndef EKIDEN_SEND_FENCE_H
#define EKIDEN_SEND_FENCE_H

/* Leaves the scheduler three folders (descriptors): the QUEUE to read and change, the CONTROL
 * folder and that of the ACCOUNTS (/etc, for lib/accounts.h) to read; no new process, no new
 * socket, and only the system calls of its loop. */
void send_fence(int queue, int control, int accounts);

#endif
