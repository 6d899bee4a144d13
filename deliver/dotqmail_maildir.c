#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/djbunix.h>

#include "deliver/dotqmail.h"
#include "deliver/mailbox_make.h"
#include "deliver/maildir_quota.h"

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

/* A quota is the user's own wish here: he, or his mail reader, has given his Maildir one. Returns
 * the folder that keeps it; -1: there is none. False in *fits: no room. */
static int look_for_quota(struct dotqmail *dotqmail, struct mailbox const *mailbox,
                          struct job const *job, bool *fits)
{
    struct maildir_limit limit;
    struct maildir_usage const more = {.bytes = (int64_t)job->length, .messages = 1};
    *fits = true;
    int const maildir = openat(mailbox->new, "..", FOLDER_FLAGS);
    int const root = maildir < 0 ? -1 : maildir_quota_root(maildir);
    if (maildir >= 0)
        fd_close(maildir);
    if (root < 0)
        return -1;
    if (maildir_quota_own(root, &limit)) {
        *fits = maildir_quota_allows(root, &limit, &more, &dotqmail->namer);
        return root;
    }
    fd_close(root);
    return -1;
}

static bool deliver(struct dotqmail *dotqmail, struct mailbox *mailbox, char const *path, int quota,
                    struct job const *job, int message, struct failure *failure)
{
    struct maildir_file file;
    uint64_t written = 0;
    if (!maildir_create(&file, mailbox, &dotqmail->namer)) {
        failure_system(failure, "no file can be made in a Maildir's tmp", path, errno);
        return false;
    }
    if (!message_copy(&dotqmail->copy, job, message, file.descriptor, &written, failure)) {
        maildir_remove(&file);
        return false;
    }
    file.size = quota >= 0 ? written : 0;
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
    if (good && quota >= 0)
        maildir_quota_add(quota, &(struct maildir_usage){(int64_t)written, 1});
    return good;
}

static bool deliver_within_quota(struct dotqmail *dotqmail, struct mailbox *mailbox,
                                 char const *path, struct job const *job, int message,
                                 struct failure *failure)
{
    bool fits, delivered = false;
    int const quota = look_for_quota(dotqmail, mailbox, job, &fits);
    if (fits)
        delivered = deliver(dotqmail, mailbox, path, quota, job, message, failure);
    else
        failure_set(failure, JOB_FAILED, "5.2.2 the mailbox is full");
    if (quota >= 0)
        fd_close(quota);
    return delivered;
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
        delivered = deliver_within_quota(dotqmail, &mailbox, path, job, message, failure);
    }
    if (mailbox.tmp >= 0)
        fd_close(mailbox.tmp);
    if (mailbox.new >= 0)
        fd_close(mailbox.new);
    return delivered;
}
