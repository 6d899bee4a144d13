/* The accounts of this machine that get mail: control file `systemusers`.
 *
 * One name a line, or `*` for every account of /etc/passwd with a user id of ACCOUNTS_UID_MIN or
 * more (65534, nobody, left out). Absent or empty: none. Without `*` /etc/passwd is not read. What
 * an account is, its user id and its folder, is looked up when mail is delivered. */
#ifndef EKIDEN_ACCOUNTS_H
#define EKIDEN_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>

#include <skalibs/stralloc.h>

#include "lib/control.h"

#define ACCOUNTS_UID_MIN  1000
#define ACCOUNTS_NAME_MAX 32 /* bytes; as useradd */
#define ACCOUNTS_FOLDER   "/etc"
#define ACCOUNTS_FILE     "passwd"

struct accounts {
    stralloc names; /* owned; each ended by NUL, sorted, no two the same */
    stralloc index; /* owned; offsets into names, a uint32_t each */
};
#define ACCOUNTS_ZERO                                                                              \
    {                                                                                              \
        .names = STRALLOC_ZERO, .index = STRALLOC_ZERO                                             \
    }

/* Loads the list. On CONTROL_ERROR *accounts is untouched. */
enum control_result accounts_load(struct accounts *accounts, struct control const *control,
                                  struct control_error *error);
void accounts_free(struct accounts *accounts);

/* Finds NAME, in any case; *account is the account's name as the system has it (in lower case:
 * others get no mail), NUL-terminated, valid until accounts_free. */
bool accounts_find(struct accounts const *accounts, char const *name, size_t length,
                   char const **account);

#endif
