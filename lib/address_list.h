/* Control files that list addresses, one a line: ADDRESS, @DOMAIN, or .PARENT for all domains below
 * PARENT. Case (ASCII) does not count, nor whether a domain's labels stand in their own letters or
 * as A-labels (`xn--`). */
#ifndef EKIDEN_ADDRESS_LIST_H
#define EKIDEN_ADDRESS_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/table.h"

/* Parses a line, for table_load: the whole line is the key, its domain with A-labels. It may lie in
 * memory that the next call uses again. */
bool address_list_parse(char const *line, size_t length, struct table_entry *entry,
                        struct control_error *error);

/* True when ADDRESS, unquoted as in the envelope, or its domain is in LIST. One without an `@` is
 * in no list. */
bool address_list_has(struct table const *list, char const *address, size_t length);

/* The same; the number of the line that has it. 0: none. */
unsigned int address_list_find(struct table const *list, char const *address, size_t length);

#endif
