/* qmail-queue's interface for users who may not write into the queue: the message goes through the
 * injector's socket. */
#ifndef EKIDEN_INJECT_RELAY_H
#define EKIDEN_INJECT_RELAY_H

#include "queue/queue_file.h"

/* Reads the message from descriptor 0, then its envelope from 1, and hands both over. */
enum queue_status inject_relay(void);

#endif
