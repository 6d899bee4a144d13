#include "deliver/mailbox_make.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/djbunix.h>

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
#define FOLDER_MODE  0700

/* The Maildir while it is being made. One name for all, so that what a crash left behind is taken
 * up again, and workers side by side end with one and the same Maildir. */
#define UNFINISHED ".Maildir.unfinished"

static char const *const parts[] = {"tmp", "new", "cur"};
#define PARTS (sizeof parts / sizeof *parts)

/* A folder that was made this recently may have been made by a worker that was killed before it
 * could make it durable. (The kernel writes everything back within a minute or so.) */
#define RECENT_SECONDS 3600
#define KNOWN          4096 /* of 32 bytes */

/* Makes the folder NAME unless it is there. Not durable yet. */
static bool make_folder(int parent, char const *name)
{
    return mkdirat(parent, name, FOLDER_MODE) == 0 || errno == EEXIST;
}

/* Closes DESCRIPTOR unless it is ROOT, and leaves errno alone. */
static void close_inner(int descriptor, int root)
{
    int const number = errno;
    if (descriptor != root)
        fd_close(descriptor);
    errno = number;
}

enum walk { WALK_MAKE, WALK_SYNC };

/* Opens the folder PATH below ROOT, component by component. WALK_MAKE makes what is missing;
 * WALK_SYNC makes each folder on the way durable, the last one and ROOT included. -1: errno. */
static int walk(int root, char const *path, enum walk purpose)
{
    char component[JOB_MAILBOX_MAX + 1];
    int folder = root;
    while (*path) {
        size_t const length = strcspn(path, "/");
        memcpy(component, path, length);
        component[length] = 0;
        path += length + (path[length] == '/');
        int inner = -1;
        if (purpose != WALK_SYNC || fsync(folder) == 0)
            inner = openat(folder, component, FOLDER_FLAGS);
        if (inner < 0 && errno == ENOENT && purpose == WALK_MAKE && make_folder(folder, component))
            inner = openat(folder, component, FOLDER_FLAGS);
        close_inner(folder, root);
        if (inner < 0)
            return -1;
        folder = inner;
    }
    if (purpose == WALK_SYNC && fsync(folder) != 0) {
        close_inner(folder, root);
        return -1;
    }
    return folder;
}

/* Another worker's Maildir was there first: ours is one too many. Opened anew, because a descriptor
 * from before may by now be the Maildir itself. */
static void remove_unfinished(int home)
{
    int const unfinished = openat(home, UNFINISHED, FOLDER_FLAGS);
    if (unfinished < 0)
        return;
    for (size_t i = 0; i < PARTS; i++)
        (void)unlinkat(unfinished, parts[i], AT_REMOVEDIR);
    (void)unlinkat(home, UNFINISHED, AT_REMOVEDIR);
    fd_close(unfinished);
}

/* Gives the finished Maildir its name. True as well when another worker was faster. */
static bool publish_maildir(int home)
{
    if (renameat2(home, UNFINISHED, home, "Maildir", RENAME_NOREPLACE) == 0)
        return true;
    /* NFS knows no RENAME_NOREPLACE; a plain rename still never replaces a folder with something in
     * it, and a Maildir has its three. */
    if (errno == EINVAL && renameat(home, UNFINISHED, home, "Maildir") == 0)
        return true;
    if (errno == ENOENT)
        return true;
    if (errno != EEXIST && errno != ENOTEMPTY)
        return false;
    remove_unfinished(home);
    return true;
}

static bool make_maildir(int home)
{
    if (!make_folder(home, UNFINISHED))
        return false;
    int const unfinished = openat(home, UNFINISHED, FOLDER_FLAGS);
    if (unfinished < 0)
        return errno == ENOENT; /* the other worker renamed it since */
    bool made = true;
    for (size_t i = 0; i < PARTS && made; i++)
        made = make_folder(unfinished, parts[i]);
    made = made && fsync(unfinished) == 0;
    close_inner(unfinished, -1);
    return made && publish_maildir(home);
}

/* Opens HOME/Maildir, after making it where it is missing. */
static int open_maildir(int home)
{
    int const descriptor = openat(home, "Maildir", FOLDER_FLAGS);
    if (descriptor >= 0 || errno != ENOENT)
        return descriptor;
    return make_maildir(home) ? openat(home, "Maildir", FOLDER_FLAGS) : -1;
}

/* Its own time of change tells a Maildir's age: mail changes only the folders inside. */
static bool is_recent(struct stat const *status)
{
    return status->st_ctime > time(NULL) - RECENT_SECONDS;
}

/* Recent Maildirs that this process has made durable, and when they had changed: opened again, as
 * where there are more mailboxes than stay open, they are so still. One that is renamed, or another
 * one with its inode, has another time: where the clock has gone on since, by a second as some file
 * systems count no less. */
static struct known {
    dev_t device;
    ino_t inode;
    struct timespec changed;
} known[KNOWN];

static struct known *place_of(struct stat const *status)
{
    return known + ((uint64_t)status->st_ino * UINT64_C(0x9e3779b97f4a7c15) >> 32) % KNOWN;
}

static bool is_known(struct stat const *status)
{
    struct known const *const place = place_of(status);
    return place->device == status->st_dev && place->inode == status->st_ino &&
           place->changed.tv_sec == status->st_ctim.tv_sec &&
           place->changed.tv_nsec == status->st_ctim.tv_nsec;
}

/* Does nothing for one that is old or known. Its time is that of before the syncs, and of a second
 * that is over: what changes it beside or behind them makes it unknown. */
static bool make_durable(int root, char const *path, int maildir)
{
    time_t const now = time(NULL);
    struct stat status;
    if (fstat(maildir, &status) != 0)
        return false;
    if (!is_recent(&status) || is_known(&status))
        return true;
    if (fsync(maildir) != 0)
        return false;
    int const home = walk(root, path, WALK_SYNC);
    if (home < 0)
        return false;
    close_inner(home, root);
    if (status.st_ctime < now)
        *place_of(&status) = (struct known){
            .device = status.st_dev, .inode = status.st_ino, .changed = status.st_ctim};
    return true;
}

int mailbox_make(int root, char const *path, struct failure *failure)
{
    int const home = walk(root, path, WALK_MAKE);
    if (home < 0) {
        failure_system(failure, "the folder of the mailbox cannot be opened or made", path, errno);
        return -1;
    }
    int const maildir = open_maildir(home);
    close_inner(home, root);
    if (maildir < 0) {
        failure_system(failure, "Maildir must be a folder that the mail user may write to", path,
                       errno);
        return -1;
    }
    if (!make_durable(root, path, maildir)) {
        failure_system(failure, "a new mailbox cannot be made durable", path, errno);
        fd_close(maildir);
        return -1;
    }
    return maildir;
}
