#include "deliver/mbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>

#include "deliver/mbox_quote.h"
#include "lib/clock.h"

#define LOCK_PAUSE 20 /* milliseconds from one look at a lock to the next */

struct mbox {
    int descriptor;
    off_t length; /* before this message */
    bool made;    /* by us: its name must be durable too (and that of one still empty) */
    struct mbox_quote quote;
    char out[mbox_quote_room(sizeof((struct message_copy *)0)->out)];
};

static bool is_held_by_another(int number)
{
    return number == EAGAIN || number == EACCES || number == EINTR;
}

/* Both locks, because some mail readers know only one of them. Tried again and again, never waited
 * for: a blocking lock cannot be given a deadline without a signal. */
static bool lock(int descriptor, long long deadline)
{
    struct timespec const pause = {.tv_nsec = LOCK_PAUSE * 1000000L};
    for (;;) {
        struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        if (fcntl(descriptor, F_SETLK, &whole) == 0) {
            if (flock(descriptor, LOCK_EX | LOCK_NB) == 0)
                return true;
            int const number = errno; /* holding one while waiting for the other is a deadlock */
            whole.l_type = F_UNLCK;
            (void)fcntl(descriptor, F_SETLK, &whole);
            errno = number;
        }
        if (!is_held_by_another(errno))
            return false;
        if (clock_milliseconds() >= deadline) {
            errno = ETIMEDOUT;
            return false;
        }
        nanosleep(&pause, NULL);
    }
}

/* True when PATH still is the open file: a mail reader may have put a new one there while we waited
 * for its lock. */
static bool is_current(int descriptor, char const *path)
{
    struct stat opened, named;
    return fstat(descriptor, &opened) == 0 && stat(path, &named) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

/* Opens and locks. Never waits for a FIFO or a terminal: only a regular file is an mbox. */
static bool open_locked(struct mbox *mbox, char const *path, struct failure *failure)
{
    int const flags = O_RDWR | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    long long const deadline = clock_milliseconds() + MBOX_LOCK_SECONDS * 1000;
    for (;;) {
        struct stat status;
        mbox->descriptor = open(path, flags);
        mbox->made = mbox->descriptor < 0 && errno == ENOENT;
        if (mbox->made)
            mbox->descriptor = open(path, flags | O_CREAT, 0600);
        if (mbox->descriptor < 0) {
            failure_system(failure, "the mbox cannot be opened", path, errno);
            return false;
        }
        if (fstat(mbox->descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
            failure_set(failure, JOB_DEFERRED, "4.3.5 the mbox is no regular file");
            break;
        }
        if (!lock(mbox->descriptor, deadline)) {
            failure_system(failure, "the mbox cannot be locked", path, errno);
            break;
        }
        if (is_current(mbox->descriptor, path)) {
            if (fstat(mbox->descriptor, &status) == 0) {
                mbox->length = status.st_size;
                return true;
            }
            failure_system(failure, "the mbox cannot be read", path, errno);
            break;
        }
        fd_close(mbox->descriptor);
    }
    fd_close(mbox->descriptor);
    return false;
}

/* The lines that end what stands in the file, where a crash or another program has not. */
static char const *separator(struct mbox const *mbox)
{
    char last[2] = {'\n', '\n'};
    size_t const size = mbox->length < 2 ? (size_t)mbox->length : 2;
    if (size &&
        pread(mbox->descriptor, last + 2 - size, size, mbox->length - (off_t)size) != (ssize_t)size)
        return "\n\n"; /* one line too many is harmless */
    if (last[1] != '\n')
        return "\n\n";
    return last[0] != '\n' ? "\n" : "";
}

static bool write_all(struct mbox const *mbox, char const *bytes, size_t length)
{
    return allwrite(mbox->descriptor, bytes, length) == length;
}

static bool write_quoted(void *context, char const *bytes, size_t length)
{
    struct mbox *const mbox = context;
    return write_all(mbox, mbox->out, mbox_quote_pass(&mbox->quote, bytes, length, mbox->out));
}

/* The folder of PATH, so that the name of a new file is durable. */
static bool sync_folder(char const *path)
{
    char folder[PATH_MAX];
    char const *const slash = strrchr(path, '/');
    size_t const length = slash == path ? 1 : slash ? (size_t)(slash - path) : 0;
    if (length >= sizeof folder) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(folder, path, length);
    folder[length] = 0;
    int const descriptor = open(length ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return false;
    bool const synced = fsync(descriptor) == 0;
    int const number = errno;
    fd_close(descriptor);
    errno = number;
    return synced;
}

static bool append(struct mbox *mbox, char const *path, char const *from_line,
                   struct message_copy *copy, struct job const *job, int from, uint64_t *written,
                   struct failure *failure)
{
    char const *const before = separator(mbox);
    char rest[MBOX_QUOTE_HELD_MAX + 2];
    mbox_quote_start(&mbox->quote);
    bool good =
        write_all(mbox, before, strlen(before)) && write_all(mbox, from_line, strlen(from_line));
    if (good && !message_copy_through(copy, job, from, MESSAGE_COPY_DELIVER, write_quoted, mbox,
                                      written, failure))
        return false;
    good = good && write_all(mbox, rest, mbox_quote_end(&mbox->quote, rest)) &&
           fsync(mbox->descriptor) == 0 &&
           (!(mbox->made || mbox->length == 0) || sync_folder(path));
    if (!good)
        failure_system(failure, "the mbox cannot be written", path, errno);
    return good;
}

bool mbox_append(char const *path, char const *from_line, struct message_copy *copy,
                 struct job const *job, int from, uint64_t *written, struct failure *failure)
{
    static struct mbox mbox; /* large, and there is one delivery at a time */
    *written = 0;
    if (!open_locked(&mbox, path, failure))
        return false;
    bool const appended = append(&mbox, path, from_line, copy, job, from, written, failure);
    if (!appended && (ftruncate(mbox.descriptor, mbox.length) != 0 || fsync(mbox.descriptor) != 0))
        snprintf(failure->text + strlen(failure->text),
                 sizeof failure->text - strlen(failure->text),
                 " (and what was written of it cannot be removed)");
    fd_close(mbox.descriptor); /* which unlocks it */
    return appended;
}
