/* A control file of keys (lib/secret_keys.h), one a line, of 8 to 512 bytes.
 *
 * Nobody but who needs the file may be able to read it: its owner, and a group where the file is
 * another user's (root's, with the scheduler's group, since both root and the scheduler read it).
 * What does not keep to that counts as refused: a line in the log says so, and what needs a key is
 * put off until it is mended. */
#ifndef EKIDEN_SECRET_FILE_H
#define EKIDEN_SECRET_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/control.h"
#include "lib/secret_keys.h"

struct secret_file {
    char *bytes; /* owned: the keys */
    size_t size;
    bool refused; /* the file cannot be used, and the log says why */
};

/* Loads the file NAME. Of one that is refused the log says NEXT: what happens meanwhile. A
 * malformed one is CONTROL_ERROR; then *file is untouched. */
enum control_result secret_file_load(struct secret_file *file, struct control const *control,
                                     char const *name, char const *next,
                                     struct control_error *error);
/* Wipes and frees. */
void secret_file_free(struct secret_file *file);

/* True where there are keys, or would be if the file could be used. */
bool secret_file_is_on(struct secret_file const *file);

struct secret_keys secret_file_keys(struct secret_file const *file);

#endif
