/* Users, and the folders that belong to them. The programs make what is below these themselves. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "configured.h"
#include "lib/privilege.h"
#include "tools/check.h"

static char const *const users[] = {CONFIGURED_USER_DIALOGUE,  CONFIGURED_USER_INJECTOR,
                                    CONFIGURED_USER_SCHEDULER, CONFIGURED_USER_LOCAL,
                                    CONFIGURED_USER_REMOTE,    CONFIGURED_USER_TLS,
                                    CONFIGURED_USER_KEY,       CONFIGURED_USER_AUTH,
                                    CONFIGURED_USER_JUDGE,     CONFIGURED_USER_SPF};
#define USERS (sizeof users / sizeof *users)

/* False: none of them is there, and `nobody` stands in. */
static bool look_users(void)
{
    uid_t uid;
    size_t found = 0;
    for (size_t i = 0; i < USERS; i++)
        found += privilege_uid(users[i], &uid);
    for (size_t i = 0; i < USERS && found; i++)
        if (!privilege_uid(users[i], &uid))
            check_tell(CHECK_ERROR,
                       "/etc/passwd: there is no user %s; expected all ten of Ekiden's; make it "
                       "(systemd-sysusers, or INSTALL, \"Users by hand\")",
                       users[i]);
        else if (uid == 0)
            check_tell(CHECK_ERROR,
                       "/etc/passwd: the user %s has uid 0; expected a number of its own; give it "
                       "one",
                       users[i]);
        else
            check_tell(CHECK_GOOD, "user %s", users[i]);
    if (!found)
        check_tell(
            CHECK_WARNING,
            "/etc/passwd: none of Ekiden's users is there, and nobody stands in for all; "
            "expected a user for each part; make them (systemd-sysusers, or INSTALL, \"Users "
            "by hand\")");
    return found;
}

struct place {
    char const *path, *user, *group;
    mode_t mode, forbidden;
    bool made; /* by who needs it, where it is missing */
};

static void look_owner(struct place const *place, struct stat const *status)
{
    struct privilege_user user, group;
    uid_t uid;
    if (!privilege_is_root() || !privilege_uid(place->user, &uid) ||
        !privilege_uid(place->group, &uid) || !privilege_find(&user, place->user) ||
        !privilege_find(&group, place->group))
        return;
    if (status->st_uid != user.uid || status->st_gid != group.gid)
        check_tell(CHECK_ERROR,
                   "%s: belongs to user %u and group %u; expected %s (%u) and %s (%u); chown %s:%s "
                   "%s",
                   place->path, status->st_uid, status->st_gid, place->user, user.uid, place->group,
                   group.gid, place->user, place->group, place->path);
}

/* Whether others have a right to it that they are not to have, or its owner lacks one. */
static void look_mode(struct place const *place, struct stat const *status)
{
    mode_t const mode = status->st_mode & 0777;
    if ((mode & place->forbidden) || (~mode & 0700))
        check_tell(CHECK_ERROR, "%s: its mode is %04o; expected %04o; chmod %04o %s", place->path,
                   mode, place->mode, place->mode, place->path);
}

static void look_place(struct place const *place)
{
    struct stat status;
    int const failure = stat(place->path, &status) == 0 ? 0 : errno;
    if (failure == ENOENT && place->made)
        return;
    if (failure || !S_ISDIR(status.st_mode)) {
        check_tell(CHECK_ERROR, "%s: %s; expected a folder; install -d -o %s -g %s -m %04o %s",
                   place->path, failure ? strerror(failure) : "is no folder", place->user,
                   place->group, place->mode, place->path);
        return;
    }
    look_owner(place, &status);
    look_mode(place, &status);
    if (!check_is_wrong(place->path))
        check_tell(CHECK_GOOD, "%s", place->path);
}

/* Whoever may write there is as good as root. */
static void look_control(struct checked const *check)
{
    struct stat status;
    if (fstat(check->control.directory, &status) == 0 && status.st_mode & S_IWOTH)
        check_tell(CHECK_ERROR,
                   "%s: everybody may write there; expected a folder that its owner alone changes; "
                   "chmod o-w %s",
                   check->control.path, check->control.path);
}

void check_places(struct checked const *check)
{
    struct place const places[] = {
        {check->queue, CONFIGURED_USER_SCHEDULER, CONFIGURED_USER_INJECTOR, 0770, 0007, false},
        {check->mail, CONFIGURED_USER_LOCAL, CONFIGURED_USER_LOCAL, 0750, 0022, false},
        {check->auth_state, CONFIGURED_USER_AUTH, CONFIGURED_USER_AUTH, 0700, 0077, true},
        {check->judge_state, CONFIGURED_USER_JUDGE, CONFIGURED_USER_JUDGE, 0700, 0077, true}};
    look_control(check);
    if (privilege_is_root() && !look_users())
        return;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        look_place(places + i);
}
