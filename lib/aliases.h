/* The control file `aliases`, in the usual form:
 *
 *   NAME: TARGET, TARGET, ...      a line that begins with a blank continues the one before
 * NAME is a local part (of each of our domains), `LOCAL@DOMAIN`, or `@DOMAIN` for what nobody else
 * in DOMAIN is. A TARGET is an address, a local name, `:include:FILE` (FILE in the control folder
 * or below it: targets, one a line) or `/dev/null`. Programs and files are no targets: whose rights
 * should they have? They belong into the `.qmail` of the account that they run as. A name is not
 * its own target. */
#ifndef EKIDEN_ALIASES_H
#define EKIDEN_ALIASES_H

#include "lib/table.h"

#define ALIASES_TARGETS_MAX                                                                        \
    8191 /* bytes of all targets of a name; more go into an :include: file */
#define ALIASES_INCLUDE ":include:"
#define ALIASES_NOWHERE "/dev/null"

/* For table_load_form with TABLE_FOLDED. The value is the targets, unquoted, separated by LF. */
table_parse_func aliases_entry;

/* The name of an included file, PATH, below the folder of CONTROL, where PATH begins with that of
 * the folder or is below it anyway. NULL: it lies elsewhere. */
char const *aliases_file(struct control const *control, char const *path);

/* Parses one target at TEXT (LENGTH bytes, trimmed) and appends it to OUT, which has SIZE bytes of
 * which *used are taken. False after control_fail. NAME is the alias, or NULL. */
bool aliases_target(char const *text, size_t length, char const *name, size_t name_length,
                    char *out, size_t size, size_t *used, struct control_error *error);

#endif
