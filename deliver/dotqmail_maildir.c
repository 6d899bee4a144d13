#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/djbunix.h>

#include "deliver/dotqmail.h"
#include "deliver/mailbox_make.h"

/* Links are followed: nothing can be reached by them that the user could not write to himself. */
#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK)

/* Makes ./Maildir with its three folders, durably. */
static int make_default(struct failure *failure)
{
    int const home = open(".", FOLDER_FLAGS);
    if (home < 0) {
        failure_system(failure, "the home folder cannot be opened", "", errno);
        return -1;
    }
    int const maildir = mailbox_make(home, "", failure);
    fd_close(home);
    return maildir;
}

/* Opens tmp and new of MAILDIR. */
static bool open_parts(struct mailbox *mailbox, int maildir, char const *path,
                       struct failure *failure)
{
    struct stat tmp, new;
    mailbox->tmp = openat(maildir, "tmp", FOLDER_FLAGS);
    mailbox->new = openat(maildir, "new", FOLDER_FLAGS);
    if (mailbox->tmp >= 0 && mailbox->new >= 0 && fstat(mailbox->tmp, &tmp) == 0 &&
        fstat(mailbox->new, &new) == 0) {
        if (tmp.st_dev == new.st_dev)
            return true;
        errno = EXDEV;
    }
    failure_system(failure, "a Maildir's tmp and new must be folders of one file system", path,
                   errno);
    return false;
}

static bool deliver(struct dotqmail *dotqmail, struct mailbox *mailbox, char const *path,
                    struct job const *job, int message, struct failure *failure)
{
    struct maildir_file file;
    uint64_t written;
    if (!maildir_create(&file, mailbox, &dotqmail->namer)) {
        failure_system(failure, "no file can be made in a Maildir's tmp", path, errno);
        return false;
    }
    if (!message_copy(&dotqmail->copy, job, message, file.descriptor, &written, failure)) {
        maildir_remove(&file);
        return false;
    }
    bool good = fsync(file.descriptor) == 0;
    if (good) {
        maildir_close(&file);
        good = maildir_publish(&file, &dotqmail->namer) && fsync(mailbox->new) == 0;
    }
    if (!good) {
        failure_system(failure, "the message cannot be moved durably into a Maildir's new", path,
                       errno);
        maildir_remove(&file);
    }
    return good;
}

bool dotqmail_maildir(struct dotqmail *dotqmail, char const *path, bool may_make,
                      struct job const *job, int message, struct failure *failure)
{
    struct mailbox mailbox = {.tmp = -1, .new = -1};
    int maildir = open(path, FOLDER_FLAGS);
    if (maildir < 0 && errno == ENOENT && may_make && !strcmp(path, "./Maildir/")) {
        maildir = make_default(failure);
        if (maildir < 0)
            return false;
    }
    if (maildir < 0) {
        failure_system(failure, "a Maildir cannot be opened", path, errno);
        return false;
    }
    bool delivered = open_parts(&mailbox, maildir, path, failure);
    fd_close(maildir);
    if (delivered) {
        maildir_remove_old(mailbox.tmp, time(NULL));
        delivered = deliver(dotqmail, &mailbox, path, job, message, failure);
    }
    if (mailbox.tmp >= 0)
        fd_close(mailbox.tmp);
    if (mailbox.new >= 0)
        fd_close(mailbox.new);
    return delivered;
}
