/* What is shown of the queue, on standard output. Whatever strangers chose is escaped: in text each
 * byte that is no printable ASCII, in JSON what is no valid UTF-8 (lib/utf8.h), and in both the
 * backslash, become \xNN; so a reader can undo it. */
#ifndef EKIDEN_QUEUE_PRINT_H
#define EKIDEN_QUEUE_PRINT_H

#include <stddef.h>
#include <stdint.h>

#include "queue/queue_item.h"

void queue_print(char const *text);
void queue_print_number(uint64_t number);
void queue_print_escaped(char const *text, size_t length);
/* The same, and blanks stay. */
void queue_print_text(char const *text, size_t length);
/* SECONDS since 1970 as RFC 5322 has dates. */
void queue_print_date(uint64_t seconds);
/* A JSON string, with its quotes. */
void queue_print_string(char const *text, size_t length);

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

/* Makes what was printed go out. False: errno. */
bool queue_print_flush(void);

#endif
