/* Compiles a control file to a cdb in memory. Part of lib/table.h: nothing else needs it. */
#ifndef EKIDEN_TABLE_COMPILE_H
#define EKIDEN_TABLE_COMPILE_H

#include <stddef.h>

#include <skalibs/cdb.h>

#include "lib/control.h"
#include "lib/table.h"

/* Before each value stands the number of its line, packed by uint32_pack. */
#define TABLE_LINE_SIZE 4 /* bytes */

/* Reads NAME once and maps the finished cdb, shared by what is forked later. Its first record, at
 * offset 2048, is KEY and VALUE as given; KEY begins with a NUL, so that no entry can be it. On
 * ABSENT and ERROR *map is untouched. */
enum control_result table_compile(cdb *map, struct control const *control, char const *name,
                                  enum table_form form, table_parse_func *parse, char const *key,
                                  size_t key_length, char const *value, size_t value_length,
                                  struct control_error *error);

#endif
