/* `ekiden queue pause` and `resume`. */
#ifndef EKIDEN_QUEUE_PAUSE_H
#define EKIDEN_QUEUE_PAUSE_H

#include "tools/queue_command.h"

/* Returns the exit code. */
int queue_pause(struct queue_arguments *arguments);

#endif
