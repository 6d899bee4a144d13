/* `ekiden queue status`. */
#ifndef EKIDEN_QUEUE_STATUS_H
#define EKIDEN_QUEUE_STATUS_H

#include "tools/queue_command.h"

/* Returns the exit code. */
int queue_status_show(struct queue_arguments *arguments);

#endif
