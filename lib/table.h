/* A table: the entries of one control file as a constant database (cdb), for exact look-up.
 *
 * A small file is compiled in memory when it is loaded. A large one (TABLE_FILE_MIN bytes or more)
 * is compiled to NAME.cdb beside it, written as a new file and renamed into place, where the folder
 * can be written to; the cdb holds a stamp (size, mtime, inode of its source), and one whose stamp
 * fits is used as it is, so that a process per connection need not read a million lines. A cdb that
 * does not fit its source is never used. Keys are folded to lower case (ASCII). Each entry knows
 * its line, so that whoever is refused by it can be told which. Of entries with the same key the
 * first counts. A cdb must never be written in place, but it may be removed at any time: it is made
 * again. */
#ifndef EKIDEN_TABLE_H
#define EKIDEN_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <skalibs/cdb.h>

#include "lib/control.h"

#define TABLE_FILE_MIN (64u << 10)
#define TABLE_KEY_MAX  1024

struct table {
    cdb map;      /* map.map is 0 for a table that is absent: nothing is found in it */
    bool present; /* the control file exists */
    char *heap;   /* what map.map points to, where it is no mapping of its own */
};
#define TABLE_ZERO                                                                                 \
    {                                                                                              \
        .map = CDB_ZERO, .present = false, .heap = NULL                                            \
    }

/* One entry: splits LINE into key and value (both may point into LINE; *value_length may be 0) and
 * checks them. Returns false after control_fail. */
struct table_entry {
    char const *key, *value;
    size_t key_length, value_length;
};
typedef bool table_parse_func(char const *line, size_t length, struct table_entry *entry,
                              struct control_error *error);

enum table_form {
    TABLE_LINES, /* an entry a line */
    TABLE_FOLDED /* control_folded_lines */
};

/* Loads the control file NAME. On ABSENT *table is the empty table. On ERROR *table is untouched.
 * A key is 0 to TABLE_KEY_MAX bytes; a longer one is an error. */
enum control_result table_load(struct table *table, struct control const *control, char const *name,
                               table_parse_func *parse, struct control_error *error);
enum control_result table_load_form(struct table *table, struct control const *control,
                                    char const *name, enum table_form form, table_parse_func *parse,
                                    struct control_error *error);
void table_free(struct table *table);

/* Looks KEY up, folded to lower case. The value points into the table. False when it is not there
 * or longer than TABLE_KEY_MAX. */
bool table_find(struct table const *table, char const *key, size_t length, char const **value,
                size_t *value_length);

/* The entry after that at *PLACE, which begins with CDB_TRAVERSE_INIT(), in no order that means
 * anything; it points into the table. False: there is none. */
bool table_next(struct table const *table, uint32_t *place, struct table_entry *entry);

/* The number of the line whose entry has VALUE, as one of the look-ups gave it. */
unsigned int table_line(char const *value);

/* Looks a domain up as qmail's rcpthosts does: `a.b.c` itself, then `.b.c`, then `.c`. */
bool table_find_domain(struct table const *table, char const *domain, size_t length,
                       char const **value, size_t *value_length);

#endif
