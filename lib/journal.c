#include "lib/journal.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The device's name in /sys, which is the last part of where /sys/dev/block/MAJOR:MINOR leads.
 * False: no block device (tmpfs, btrfs, overlay, network), or no /sys. */
static bool find_name(dev_t device, char name[NAME_MAX + 1])
{
    char path[64], target[PATH_MAX];
    snprintf(path, sizeof path, "/sys/dev/block/%u:%u", major(device), minor(device));
    ssize_t const length = readlink(path, target, sizeof target - 1);
    if (length <= 0)
        return false;
    target[length] = 0;
    char const *const slash = strrchr(target, '/');
    char const *const last = slash ? slash + 1 : target;
    if (strlen(last) > NAME_MAX)
        return false;
    memcpy(name, last, strlen(last) + 1);
    return true;
}

/* False also where the file cannot be read. */
static bool read_text(char const *path, char *text, size_t size)
{
    int const file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t const length = read(file, text, size - 1);
    close(file);
    if (length <= 0)
        return false;
    text[length] = 0;
    return true;
}

/* What mounts ext4, whatever it calls it (ext2, ext3), has a folder there; ext2's own driver, which
 * has the same magic number, does not. The file holds a number of a process or `<none>`. */
static bool has_journal(char const *name)
{
    char path[sizeof "/sys/fs/ext4//journal_task" + NAME_MAX], task[16];
    snprintf(path, sizeof path, "/sys/fs/ext4/%s/journal_task", name);
    return read_text(path, task, sizeof task) && task[0] >= '1' && task[0] <= '9';
}

/* True when the journal is a file of the file system itself (inode 8, EXT4_JOURNAL_INO). One on
 * another device is there by the name of that device. */
static bool is_inside(char const *name)
{
    char path[sizeof "/proc/fs/jbd2/-8/info" + NAME_MAX];
    snprintf(path, sizeof path, "/proc/fs/jbd2/%s-8/info", name);
    return access(path, R_OK) == 0;
}

/* True for data=ordered, with which the kernel lets nobody have journal_async_commit. */
static bool is_ordered(char const *name)
{
    char path[sizeof "/proc/fs/ext4//options" + NAME_MAX], options[4096];
    snprintf(path, sizeof path, "/proc/fs/ext4/%s/options", name);
    return read_text(path, options, sizeof options) && strstr(options, "\ndata=ordered\n");
}

bool journal_keeps_order(int descriptor)
{
    struct stat status;
    char name[NAME_MAX + 1];
    return fstat(descriptor, &status) == 0 && find_name(status.st_dev, name) && has_journal(name) &&
           is_inside(name) && is_ordered(name);
}
