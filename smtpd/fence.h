/* The fences around the two kinds of process that handle what clients send. Each is put up once, in
 * a template or in the process of a single connection, and inherited from there. */
#ifndef EKIDEN_FENCE_H
#define EKIDEN_FENCE_H

#include <stdbool.h>
#include <stddef.h>

/* A dialogue: no file system, no sockets of its own but pairs, bounded memory. With TEMPLATE it may
 * accept and fork as well; the forked dialogue then calls fence_no_fork. */
void fence_dialogue(bool template);

/* An injector: the queue FOLDER new/ (a descriptor) and nothing else; it cannot list it. */
void fence_injector(bool template, int folder);

/* Closes all descriptors but the COUNT in KEPT, which it sorts. A fork inherits
 * whatever the keeper has open (the control folder, the ends on which it hears its dialogues);
 * close-on-exec is no help where nothing is executed. Call it before the fence goes up. */
void fence_descriptors(int *kept, size_t count);

/* From here on fork fails. */
void fence_no_fork(void);

#endif
