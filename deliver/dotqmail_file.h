/* Which .qmail file speaks for an address, and what is in it. */
#ifndef EKIDEN_DOTQMAIL_FILE_H
#define EKIDEN_DOTQMAIL_FILE_H

#include <stdbool.h>

#include <skalibs/stralloc.h>

#include "deliver/failure.h"

struct dotqmail_file {
    stralloc bytes;           /* owned: the content, with room for one byte behind it */
    stralloc name;            /* owned: the file's name, NUL-terminated */
    bool found;               /* false: there is none for this address */
    bool forward_only;        /* it has the x bit of its owner */
    char const *default_part; /* into the extension: what `default` stands for; NULL without */
};

void dotqmail_file_free(struct dotqmail_file *file);

/* True when the extension can name a file: a slash would lead to another folder. */
bool dotqmail_file_is_extension(char const *extension);

/* Checks the current folder, the user's home: his own or root's, not writable for group or others.
 * A sticky bit says that he is at work in it; SAY_ONLY lets that pass (qmail-local -n). False:
 * FAILURE says why. */
bool dotqmail_file_check_home(bool say_only, struct failure *failure);

/* Finds and reads the file for DASH and EXTENSION in the current folder, as dot-qmail(5) has it:
 * .qmail DASH EXTENSION, then .qmail DASH PART default for each PART of the extension that ends in
 * `-`, the empty one last; the extension in lower case, with colons for its dots. Permissions, kind
 * and size are checked on the open file. False: FAILURE says why. */
bool dotqmail_file_find(struct dotqmail_file *file, char const *dash, char const *extension,
                        struct failure *failure);

/* True in *there when .qmail DASH EXTENSION SUFFIX exists. False: FAILURE says why that cannot be
 * known. */
bool dotqmail_file_exists(struct dotqmail_file *file, char const *dash, char const *extension,
                          char const *suffix, bool *there, struct failure *failure);

#endif
