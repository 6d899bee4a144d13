/* Which line of a control file made an entry of its table: for those who explain. A table does not
 * keep it, because the sessions that use tables never ask. */
#ifndef EKIDEN_TABLE_LINE_H
#define EKIDEN_TABLE_LINE_H

#include "lib/table.h"

/* Reads the control file NAME and returns the number of the first line that PARSE gives KEY (LENGTH
 * bytes, any case); 0 when there is none, or the file cannot be read. */
unsigned int table_line(struct control const *control, char const *name, table_parse_func *parse,
                        char const *key, size_t length);

#endif
