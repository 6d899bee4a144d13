#include "deliver/maildir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/djbunix.h>

void maildir_namer_start(struct maildir_namer *namer, char const *host)
{
    size_t used = 0;
    namer->counter = 0;
    namer->process = (unsigned long)getpid();
    for (; *host && used + 4 <= MAILDIR_HOST_MAX; host++) {
        if (*host == '/' || *host == ':') {
            memcpy(namer->host + used, *host == '/' ? "\\057" : "\\072", 4);
            used += 4;
        } else if ((unsigned char)*host > 0x20 && *host != 0x7f) {
            namer->host[used++] = *host;
        }
    }
    if (!used)
        namer->host[used++] = '-'; /* a name that ended in a dot would look cut */
    namer->host[used] = 0;
}

void maildir_name(struct maildir_namer *namer, char name[MAILDIR_NAME_MAX + 1])
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(name, MAILDIR_NAME_MAX + 1, "%lld.M%06ldP%luQ%lu.%s", (long long)now.tv_sec,
             now.tv_nsec / 1000, namer->process, ++namer->counter, namer->host);
}

bool maildir_create(struct maildir_file *file, struct mailbox *mailbox, struct maildir_namer *namer)
{
    file->mailbox = mailbox;
    file->in_new = false;
    file->size = 0;
    for (int i = 0; i < MAILDIR_TRIES; i++) {
        maildir_name(namer, file->name);
        file->descriptor = openat(mailbox->tmp, file->name,
                                  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (file->descriptor >= 0)
            return true;
        if (errno != EEXIST && errno != EINTR)
            return false;
    }
    return false;
}

static void add_size(struct maildir_file const *file, char name[MAILDIR_NAME_MAX + 1])
{
    size_t const length = strlen(name);
    if (file->size)
        snprintf(name + length, MAILDIR_NAME_MAX + 1 - length, ",S=%" PRIu64, file->size);
}

/* NFS and some others know no RENAME_NOREPLACE; a link never replaces either, and until tmp/NAME is
 * gone the file only has two names. */
static bool link_and_unlink(struct mailbox const *mailbox, char const *old, char const *name)
{
    if (linkat(mailbox->tmp, old, mailbox->new, name, 0) != 0)
        return false;
    (void)unlinkat(mailbox->tmp, old, 0); /* else the look for old files finds it */
    return true;
}

bool maildir_publish(struct maildir_file *file, struct maildir_namer *namer)
{
    struct mailbox const *const mailbox = file->mailbox;
    char name[MAILDIR_NAME_MAX + 1];
    memcpy(name, file->name, sizeof name);
    add_size(file, name);
    for (int i = 0; i < MAILDIR_TRIES; i++) {
        bool moved = renameat2(mailbox->tmp, file->name, mailbox->new, name, RENAME_NOREPLACE) == 0;
        if (!moved && errno == EINVAL)
            moved = link_and_unlink(mailbox, file->name, name);
        if (moved) {
            memcpy(file->name, name, sizeof name);
            file->in_new = true;
            return true;
        }
        if (errno != EEXIST && errno != EINTR)
            return false;
        if (errno == EEXIST) {
            maildir_name(namer, name);
            add_size(file, name);
        }
    }
    return false;
}

void maildir_close(struct maildir_file *file)
{
    if (file->descriptor >= 0)
        fd_close(file->descriptor);
    file->descriptor = -1;
}

void maildir_remove(struct maildir_file *file)
{
    maildir_close(file);
    (void)unlinkat(file->in_new ? file->mailbox->new : file->mailbox->tmp, file->name, 0);
}

void maildir_remove_old(int tmp, time_t now)
{
    int const descriptor =
        openat(tmp, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return;
    DIR *const folder = fdopendir(descriptor);
    if (!folder) {
        fd_close(descriptor);
        return;
    }
    struct dirent const *entry;
    for (int i = 0; i < MAILDIR_LOOK_MAX && (entry = readdir(folder)); i++) {
        struct stat status;
        if (fstatat(tmp, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            S_ISDIR(status.st_mode))
            continue;
        time_t const used = status.st_mtime > status.st_atime ? status.st_mtime : status.st_atime;
        if (used < now - MAILDIR_OLD_SECONDS)
            (void)unlinkat(tmp, entry->d_name, 0);
    }
    closedir(folder);
}
