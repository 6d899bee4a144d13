/* The fences around the two kinds of process that handle what clients send. Each is put up once, in
 * a template or in the process of a single connection, and inherited from there. */
#ifndef EKIDEN_FENCE_H
#define EKIDEN_FENCE_H

#include <stdbool.h>

/* A dialogue: no file system, no sockets of its own but pairs, bounded memory. With TEMPLATE it may
 * accept and fork as well; the forked dialogue then calls fence_no_fork. */
void fence_dialogue(bool template);

/* An injector: the queue FOLDER new/ (a descriptor) and nothing else; it cannot list it. */
void fence_injector(bool template, int folder);

/* From here on fork fails. */
void fence_no_fork(void);

#endif
