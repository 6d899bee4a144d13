/* What the scheduler can still do once it has started. */
#ifndef EKIDEN_SEND_FENCE_H
#define EKIDEN_SEND_FENCE_H

/* Leaves the scheduler the two folders (descriptors): the QUEUE to read and change, the CONTROL
 * folder to read; no new process, no new socket, and only the system calls of its loop. */
void send_fence(int queue, int control);

#endif
