/* `ekiden queue retry`, `hold`, `release`, `drop` and `bounce`. */
#ifndef EKIDEN_QUEUE_CHANGE_H
#define EKIDEN_QUEUE_CHANGE_H

#include "tools/queue_command.h"

/* Returns the exit code. */
int queue_change(struct queue_arguments *arguments);

#endif
