#include "deliver/mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/djbunix.h>

#include "deliver/durable.h"
#include "deliver/mailbox_make.h"
#include "deliver/maildir.h"
#include "lib/journal.h"

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)

void mailbox_cache_start(struct mailbox_cache *cache, int root)
{
    struct stat status;
    memset(cache, 0, sizeof *cache);
    cache->root = root;
    /* Only of the root's own file system: behind the fence nothing can be asked, and what is
     * mounted below it is rare. */
    if (journal_keeps_order(root) && fstat(root, &status) == 0)
        cache->device_in_order = status.st_dev;
}

static void place_clear(struct mailbox *mailbox)
{
    if (!mailbox->path[0])
        return;
    fd_close(mailbox->tmp);
    fd_close(mailbox->new);
    mailbox->path[0] = 0;
}

void mailbox_cache_free(struct mailbox_cache *cache)
{
    for (size_t i = 0; i < MAILBOX_CACHE; i++)
        place_clear(&cache->places[i]);
}

bool mailbox_path_is_valid(char const *path)
{
    if (strlen(path) > JOB_MAILBOX_MAX)
        return false;
    for (;;) {
        size_t const length = strcspn(path, "/");
        if (length == 0 || length > NAME_MAX || (length == 1 && path[0] == '.') ||
            (length == 2 && path[0] == '.' && path[1] == '.'))
            return false;
        if (!path[length])
            return true;
        path += length + 1;
    }
}

/* True when Maildir/tmp and Maildir/new are still the folders that are open. By path, because a
 * folder that was only moved away still has its links. */
static bool is_current(struct mailbox_cache const *cache, struct mailbox const *mailbox)
{
    char path[JOB_MAILBOX_MAX + sizeof "/Maildir/tmp"];
    struct stat status;
    snprintf(path, sizeof path, "%s/Maildir/tmp", mailbox->path);
    if (fstatat(cache->root, path, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        status.st_ino != mailbox->tmp_inode || status.st_dev != mailbox->device)
        return false;
    snprintf(path, sizeof path, "%s/Maildir/new", mailbox->path);
    return fstatat(cache->root, path, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           status.st_ino == mailbox->new_inode && status.st_dev == mailbox->device;
}

/* Opens NAME (tmp or new) of MAILDIR. */
static bool open_part(int maildir, char const *name, char const *path, int *descriptor,
                      struct stat *status, struct failure *failure)
{
    *descriptor = openat(maildir, name, FOLDER_FLAGS);
    if (*descriptor >= 0 && fstat(*descriptor, status) == 0)
        return true;
    int const number = errno;
    char what[80];
    snprintf(what, sizeof what, "Maildir/%s must be a folder that the mail user may write to",
             name);
    failure_system(failure, what, path, number);
    if (*descriptor >= 0)
        fd_close(*descriptor);
    return false;
}

/* Opens the mailbox PATH into the free place MAILBOX. */
static bool place_fill(struct mailbox_cache const *cache, struct mailbox *mailbox, char const *path,
                       struct failure *failure)
{
    struct stat tmp, new;
    int const maildir = mailbox_make(cache->root, path, failure);
    if (maildir < 0)
        return false;
    bool opened = false;
    if (open_part(maildir, "tmp", path, &mailbox->tmp, &tmp, failure)) {
        opened = open_part(maildir, "new", path, &mailbox->new, &new, failure);
        if (opened && tmp.st_dev != new.st_dev) {
            failure_system(failure, "Maildir/tmp and Maildir/new must be on one file system", path,
                           EXDEV);
            fd_close(mailbox->new);
            opened = false;
        }
        if (!opened)
            fd_close(mailbox->tmp);
    }
    fd_close(maildir);
    if (!opened)
        return false;
    memcpy(mailbox->path, path, strlen(path) + 1);
    mailbox->device = new.st_dev;
    mailbox->tmp_inode = tmp.st_ino;
    mailbox->new_inode = new.st_ino;
    mailbox->whole_sync = durable_whole_sync(mailbox->new);
    mailbox->in_order = cache->device_in_order && new.st_dev == cache->device_in_order;
    mailbox->looked = 0;
    return true;
}

/* The place that holds PATH, else a free one, else the one that was not used for longest. */
static struct mailbox *place_find(struct mailbox_cache *cache, char const *path)
{
    struct mailbox *best = NULL;
    for (size_t i = 0; i < MAILBOX_CACHE; i++) {
        struct mailbox *const place = &cache->places[i];
        if (!strcmp(place->path, path))
            return place;
        if (place->in_use)
            continue;
        if (!best || (best->path[0] && (!place->path[0] || place->moment < best->moment)))
            best = place;
    }
    return best;
}

struct mailbox *mailbox_open(struct mailbox_cache *cache, char const *path, struct failure *failure)
{
    if (!mailbox_path_is_valid(path)) {
        failure_set(failure, JOB_DEFERRED,
                    "4.3.5 the path of this mailbox is not a plain relative one; correct `users`");
        return NULL;
    }
    struct mailbox *const mailbox = place_find(cache, path);
    if (!mailbox) {
        failure_set(failure, JOB_DEFERRED, "4.3.2 too many mailboxes at once");
        return NULL;
    }
    if (mailbox->in_use)
        return mailbox;
    if (strcmp(mailbox->path, path) != 0 || !is_current(cache, mailbox)) {
        place_clear(mailbox);
        if (!place_fill(cache, mailbox, path, failure))
            return NULL;
    }
    time_t const now = time(NULL);
    if (now - mailbox->looked >= MAILBOX_LOOK_SECONDS || now < mailbox->looked) {
        mailbox->looked = now;
        maildir_remove_old(mailbox->tmp, now);
    }
    mailbox->in_use = true;
    mailbox->moment = ++cache->uses;
    return mailbox;
}

void mailbox_release_all(struct mailbox_cache *cache)
{
    for (size_t i = 0; i < MAILBOX_CACHE; i++)
        cache->places[i].in_use = false;
}
