/* The lines of locals, virtualdomains and users (lib/routing.h), and what a mailbox may be called.
 *
 * What passes here becomes the name of a folder: this is the one place that keeps `..` out. */
#ifndef EKIDEN_ROUTING_ENTRY_H
#define EKIDEN_ROUTING_ENTRY_H

#include "lib/table.h"

/* table_parse_func for each file: the value is empty (locals), PREFIX (virtualdomains), or PATH
 * (users; empty: the default). */
table_parse_func routing_entry_locals;
table_parse_func routing_entry_virtualdomains;
table_parse_func routing_entry_users;

/* True when LOCAL may have a mailbox at all: text without control characters, `/` and `@`, that
 * does not begin with `.`. */
bool routing_entry_is_local_part(char const *local, size_t length);

#endif
