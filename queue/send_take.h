/* Takes a queue file among the active messages, or does with it what its state asks for. */
#ifndef EKIDEN_SEND_TAKE_H
#define EKIDEN_SEND_TAKE_H

#include <sys/stat.h>

#include "queue/send.h"

#define SEND_GARBAGE_SECONDS                                                                       \
    (36 * 3600) /* no writer lives longer: ekiden-queue gives up after 24 h */

/* Opens and reads the file of CANDIDATE. A message that can be tried becomes active and waits for
 * its delivery; what cannot be read is left, set aside or collected, and logged. */
void send_take(struct send *send, struct send_candidate const *candidate);

/* True when nothing has happened to a file for so long that nobody can be at work on it. */
bool send_take_is_garbage(struct stat const *status);

/* Sets the file aside in bad/. False when it stays where it is. */
bool send_take_aside(struct send *send, int place, char const *id, char const *reason);

#endif
