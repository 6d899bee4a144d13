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

/* What mounts ext4, whatever it calls it (ext2, ext3), has a folder there; ext2's own driver, which
 * has the same magic number, does not. The file holds a number of a process or `<none>`. */
bool journal_keeps_order(int descriptor)
{
    struct stat status;
    char name[NAME_MAX + 1], path[sizeof "/sys/fs/ext4//journal_task" + NAME_MAX], task[16];
    if (fstat(descriptor, &status) != 0 || !find_name(status.st_dev, name))
        return false;
    snprintf(path, sizeof path, "/sys/fs/ext4/%s/journal_task", name);
    int const file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t const length = read(file, task, sizeof task);
    close(file);
    return length > 0 && task[0] >= '1' && task[0] <= '9';
}
