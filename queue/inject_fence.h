/* What the processes of local submission may still do: lib/sandbox.h. */
#ifndef EKIDEN_INJECT_FENCE_H
#define EKIDEN_INJECT_FENCE_H

/* The listener: it accepts, forks, and reads control files; and what its sessions do. */
void inject_fence_listener(int queue, int folder, int control);

/* The process of one connection, inside or outside of the fence above. QUEUE is -1 for a peer that
 * may not list it: it writes new files and sees nothing else. */
void inject_fence_session(int queue, int folder);

#endif
