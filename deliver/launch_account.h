/* The account of a system user, as /etc/passwd has it at the moment. */
#ifndef EKIDEN_LAUNCH_ACCOUNT_H
#define EKIDEN_LAUNCH_ACCOUNT_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "deliver/failure.h"

#define LAUNCH_NAME_MAX 255 /* bytes of an account's name */

struct launch_account {
    char name[LAUNCH_NAME_MAX + 1];
    char home[PATH_MAX];
    uid_t uid;
    gid_t gid;
};

/* Looks NAME up in /etc/passwd (read directly, as in lib/privilege.h), and refuses whoever must
 * never receive mail as himself: uid or gid 0, no absolute home. Where this process is not root it
 * can deliver to its own user only. False: FAILURE says why; all of it is temporary, for an account
 * that vanished may be back tomorrow. */
bool launch_account_find(struct launch_account *account, char const *name, struct failure *failure);

#endif
