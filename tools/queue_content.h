/* The message itself, as it is shown: its header, or all of it. */
#ifndef EKIDEN_QUEUE_CONTENT_H
#define EKIDEN_QUEUE_CONTENT_H

#include "queue/queue_item.h"

/* Bytes: of a longer header only the beginning is shown. */
#define QUEUE_CONTENT_HEADER (64u << 10)

/* Prints the header of ITEM, whose file is DESCRIPTOR, or its WHOLE message, escaped but for its
 * line ends. Dies when it cannot be read; what is damaged is said. Nothing for a bad item. */
void queue_content_print(int descriptor, struct queue_item const *item, bool whole);

#endif
