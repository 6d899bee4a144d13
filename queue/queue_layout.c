#include "queue/queue_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/log.h"
#include "queue/queue_asked.h"
#include "queue/queue_count.h"

#define FOLDER_MODE 0770
#define NEW_MODE    02770 /* what a member of the group puts there belongs to the group too */
#define NOTES_MODE  0700  /* who reports gets a descriptor of what it may read */
#define FIFO_MODE   0660
#define COUNT_MODE  0660
#define SLOT_DIGITS 3

/* Who the folders belong to; uid -1 leaves the owner as it is (not root). */
struct owner {
    uid_t uid;
    gid_t gid;
};

static bool fail(char const *what)
{
    log_failure("queue-not-made", what, errno);
    return false;
}

/* Sets owner and mode of NAME without regard to the umask; the mode of what exists already is
 * mended as well, since a queue may have been copied. */
static bool own(int folder, char const *name, struct owner const *owner, mode_t mode)
{
    if (owner->uid != (uid_t)-1 &&
        fchownat(folder, name, owner->uid, owner->gid, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    return fchmodat(folder, name, mode, 0) == 0;
}

static bool make_folder_of_mode(int parent, char const *name, struct owner const *owner,
                                mode_t mode)
{
    if (mkdirat(parent, name, FOLDER_MODE) != 0 && errno != EEXIST)
        return fail(name);
    return own(parent, name, owner, mode) || fail(name);
}

static bool make_folder(int parent, char const *name, struct owner const *owner)
{
    return make_folder_of_mode(parent, name, owner, FOLDER_MODE);
}

static void slot_name(char name[SLOT_DIGITS + 1], unsigned int slot)
{
    for (size_t i = SLOT_DIGITS; i-- > 0; slot /= 10)
        name[i] = (char)('0' + slot % 10);
    name[SLOT_DIGITS] = 0;
}

static bool make_wheel(int queue, struct owner const *owner)
{
    char name[SLOT_DIGITS + 1];
    if (!make_folder(queue, "wheel", owner))
        return false;
    int const wheel = openat(queue, "wheel", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (wheel < 0)
        return fail("wheel");
    bool made = true;
    for (unsigned int slot = 0; made && slot < QUEUE_SLOTS; slot++) {
        slot_name(name, slot);
        made = make_folder(wheel, name, owner);
    }
    if (made && fsync(wheel) != 0)
        made = fail("fsync of wheel");
    close(wheel);
    return made;
}

/* An empty queue holds 0 messages; what another one holds the scheduler counts. Not for long: in
 * what is shorter than it is mapped, an access is a SIGBUS. */
static bool make_count(int queue, struct owner const *owner)
{
    struct stat status;
    int const count = openat(queue, QUEUE_COUNT_FILE,
                             O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, COUNT_MODE);
    if (count < 0)
        return fail(QUEUE_COUNT_FILE);
    bool const made =
        fstat(count, &status) == 0 && (status.st_size >= (off_t)sizeof(struct queue_count) ||
                                       ftruncate(count, sizeof(struct queue_count)) == 0);
    close(count);
    return (made && own(queue, QUEUE_COUNT_FILE, owner, COUNT_MODE)) || fail(QUEUE_COUNT_FILE);
}

static bool make_files(int queue, struct owner const *owner)
{
    int const lock = openat(queue, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (lock < 0)
        return fail("lock");
    close(lock);
    if (mkfifoat(queue, "wake", FIFO_MODE) != 0 && errno != EEXIST)
        return fail("wake");
    if (!own(queue, "lock", owner, 0600) || !own(queue, "wake", owner, FIFO_MODE))
        return fail("owner of lock and wake");
    return make_count(queue, owner);
}

static bool has_count(int queue)
{
    struct stat status;
    return fstatat(queue, QUEUE_COUNT_FILE, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           status.st_size >= (off_t)sizeof(struct queue_count);
}

static bool has_folder(int queue, char const *name, struct owner const *owner)
{
    struct stat status;
    return fstatat(queue, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode) &&
           (owner->uid == (uid_t)-1 ||
            (status.st_uid == owner->uid && status.st_gid == owner->gid));
}

/* new/ is made last: where it is there and has its owner, all the others have been made. But a
 * queue of a version that had no notes/, no asked/ or no count has a new/. */
static bool is_made(int queue, struct owner const *owner)
{
    return has_folder(queue, "new", owner) && has_folder(queue, "notes", owner) &&
           has_folder(queue, QUEUE_ASKED_FOLDER, owner) && has_count(queue);
}

static bool make_all(int queue, struct owner const *owner)
{
    if (!own(queue, ".", owner, FOLDER_MODE))
        return fail("owner of the queue folder");
    if (!make_wheel(queue, owner) || !make_folder(queue, "hold", owner) ||
        !make_folder(queue, "bad", owner) ||
        !make_folder_of_mode(queue, "notes", owner, NOTES_MODE) ||
        !make_folder_of_mode(queue, QUEUE_ASKED_FOLDER, owner, NOTES_MODE) ||
        !make_files(queue, owner))
        return false;
    if (fsync(queue) != 0)
        return fail("fsync of the queue folder");
    if (!make_folder_of_mode(queue, "new", owner, NEW_MODE))
        return false;
    return fsync(queue) == 0 || fail("fsync of the queue folder");
}

/* In a folder that is the scheduler's already (tmpfiles.d, INSTALL) a child makes all the rest as
 * the scheduler, so that the units need not grant CAP_CHOWN, CAP_FOWNER and CAP_DAC_OVERRIDE for
 * the very first start. */
static bool make_as_scheduler(int queue, struct owner const *owner)
{
    struct privilege_user const maker = {.name = "scheduler", .uid = owner->uid, .gid = owner->gid};
    struct owner const leave = {.uid = (uid_t)-1, .gid = (gid_t)-1};
    int status;
    pid_t const child = fork();
    if (child < 0)
        return fail("fork");
    if (child == 0) {
        privilege_drop(&maker, NULL);
        _exit(!make_all(queue, &leave));
    }
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return fail("waitpid");
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool make(int queue, struct owner const *owner)
{
    struct stat top;
    if (privilege_is_root() && fstat(queue, &top) == 0 && top.st_uid == owner->uid &&
        top.st_gid == owner->gid)
        return make_as_scheduler(queue, owner);
    return make_all(queue, owner);
}

/* One maker at a time: scheduler and server start together, and neither can mend what the other has
 * half made under another user. */
bool queue_layout_make(int queue, struct privilege_user const *scheduler,
                       struct privilege_user const *injector)
{
    struct owner owner = {.uid = (uid_t)-1, .gid = (gid_t)-1};
    if (privilege_is_root())
        owner = (struct owner){.uid = scheduler->uid, .gid = injector->gid};
    if (is_made(queue, &owner))
        return true;
    while (flock(queue, LOCK_EX) != 0)
        if (errno != EINTR)
            return fail("flock of the queue folder");
    bool const made = is_made(queue, &owner) || make(queue, &owner);
    (void)flock(queue, LOCK_UN);
    return made;
}
