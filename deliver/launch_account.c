#include "deliver/launch_account.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/privilege.h"

#define PASSWORD_FILE "/etc/passwd"

/* The first entry of NAME, valid until the next call. NULL with errno, 0 when there is none. */
static struct passwd const *find_entry(char const *name)
{
    FILE *const file = fopen(PASSWORD_FILE, "re");
    struct passwd const *entry;
    if (!file)
        return NULL;
    do {
        errno = 0;
        entry = fgetpwent(file);
    } while (entry && strcmp(entry->pw_name, name) != 0);
    int const number = entry || errno == ENOENT ? 0 : errno;
    fclose(file);
    errno = number;
    return entry;
}

static bool refuse(struct failure *failure, char const *name, char const *what)
{
    failure->result = JOB_DEFERRED;
    snprintf(failure->text, sizeof failure->text, "4.3.5 the account %.80s %s", name, what);
    return false;
}

bool launch_account_find(struct launch_account *account, char const *name, struct failure *failure)
{
    struct passwd const *const entry = find_entry(name);
    if (!entry && errno) {
        failure_system(failure, "cannot read " PASSWORD_FILE, "", errno);
        return false;
    }
    if (!entry)
        return refuse(failure, name, "is not in " PASSWORD_FILE " (any more)");
    if (entry->pw_uid == 0 || entry->pw_gid == 0)
        return refuse(failure, name,
                      "has uid or gid 0, and root never receives mail: make an alias for it");
    if (entry->pw_dir[0] != '/' || strlen(entry->pw_dir) >= sizeof account->home ||
        strlen(name) >= sizeof account->name)
        return refuse(failure, name, "has no home folder in " PASSWORD_FILE);
    if (!privilege_is_root() && entry->pw_uid != getuid())
        return refuse(failure, name, "is not the user as whom Ekiden runs, and it is not root");
    *account = (struct launch_account){.uid = entry->pw_uid, .gid = entry->pw_gid};
    memcpy(account->name, name, strlen(name) + 1);
    memcpy(account->home, entry->pw_dir, strlen(entry->pw_dir) + 1);
    return true;
}
