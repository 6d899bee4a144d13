/* The fixed parts of a queue file's form, shared by its writer (queue_file.c) and its reader
 * (queue_read.c). queue_file.h describes the form. */
#ifndef EKIDEN_QUEUE_FORM_H
#define EKIDEN_QUEUE_FORM_H

#include <stdint.h>

#include "queue/queue_file.h"

#define QUEUE_MAGIC "ekiden1" /* with its NUL */

/* Writes the end record. */
void queue_form_end(char end[QUEUE_END_SIZE], uint64_t head, uint64_t message, uint64_t head_sum,
                    uint64_t message_sum);

enum queue_end {
    QUEUE_END_VALID,
    QUEUE_END_NONE,   /* nothing like it: the file was never finished */
    QUEUE_END_DAMAGED /* recognisable, but not valid: the file was finished once */
};

/* Parses the last QUEUE_END_SIZE bytes of a file. */
enum queue_end queue_form_parse_end(char const end[QUEUE_END_SIZE], uint64_t *head,
                                    uint64_t *message, uint64_t *head_sum, uint64_t *message_sum);

#endif
