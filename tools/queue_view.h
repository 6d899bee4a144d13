/* `ekiden queue list` and `show`. */
#ifndef EKIDEN_QUEUE_VIEW_H
#define EKIDEN_QUEUE_VIEW_H

#include "tools/queue_command.h"

/* Each returns the exit code. */
int queue_view_list(struct queue_arguments *arguments);
int queue_view_show(struct queue_arguments *arguments);

#endif
