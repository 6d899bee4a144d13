/* What is shown of the queue, on standard output (tools/print.h). */
#ifndef EKIDEN_QUEUE_PRINT_H
#define EKIDEN_QUEUE_PRINT_H

#include <stddef.h>
#include <stdint.h>

#include "queue/queue_item.h"

/* The first line about a message; then one for each of its recipients. */
struct queue_print_line {
    char const *id, *state, *sender;
    uint64_t size, arrival, due;
};
void queue_print_line(struct queue_print_line const *line);
void queue_print_recipient(enum envelope_mark mark, char const *address, size_t length);
/* The line after the last one. */
void queue_print_total(uint64_t messages, uint64_t bytes);

/* Both, of an item. */
void queue_print_item(struct queue_item const *item);

/* The item as a JSON object, without an end of line and without its closing brace: what else there
 * is to say goes there. */
void queue_print_object(struct queue_item const *item);

#endif
