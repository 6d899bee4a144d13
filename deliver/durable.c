#include "deliver/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

/* From this many files on, one syncfs serves them all.
 *
 * Measured on ext4 with a journal (a loop image; 4 KiB messages; the whole worker), messages a
 * second and flushes a message, in batches of 4            16            64 fsync each, two
 * mailboxes          660-760, 2.6   850-1020, 2.2   820-1200, 2.0 all started, then fsync each
 * 1010-1030, 2.0  2220-2370, 1.3  3120-3560, 1.1 syncfs                             790-1130, 1.4
 * 2350-3120, 0.4  4790-5640, 0.1 64 mailboxes: all started, fsync   570-740, 3.4   1620-1960, 1.9
 * 2400-2430, 1.3 64 mailboxes: syncfs               580-620, 3.1   1500-1710, 1.0  2670-2990, 0.3
 * syncfs also waits for whatever others have written to that file system: beside a running dd, a
 * batch of 4 fell from 68-334 a second to 6-19, a batch of 64 stayed the same (400-1600,
 * 1070-1470). So it is for the batches that gain by it. */
#define DURABLE_WHOLE_MIN 16

#define XFS_MAGIC 0x58465342 /* linux/magic.h lacks it */

/* Before Linux 5.8 syncfs returned 0 even where a write had failed. */
static bool kernel_reports_errors(void)
{
    struct utsname name;
    char *end;
    if (uname(&name) != 0)
        return false;
    unsigned long const major = strtoul(name.release, &end, 10);
    unsigned long const minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    return major > 5 || (major == 5 && minor >= 8);
}

/* The file systems whose syncfs we have read: ext4 and xfs commit their journal and flush. Not FUSE
 * (the server is not told), not network file systems; not btrfs, where syncfs commits the whole
 * tree and fsync a small log. */
bool durable_whole_sync(int descriptor)
{
    struct statfs system;
    if (fstatfs(descriptor, &system) != 0 || !kernel_reports_errors())
        return false;
    return system.f_type == EXT4_SUPER_MAGIC || system.f_type == XFS_MAGIC;
}

static int sync_one(int descriptor)
{
    int result;
    do
        result = fsync(descriptor);
    while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : errno;
}

enum { UNDONE = -1 };

/* syncfs once for all entries of the file system of ENTRIES[first], where that is worth it. */
static void sync_device(struct durable *entries, size_t count, size_t first)
{
    size_t together = 0;
    for (size_t i = first; i < count; i++)
        together += entries[i].error == UNDONE && entries[i].whole_sync && !entries[i].in_order &&
                    entries[i].device == entries[first].device;
    if (together < DURABLE_WHOLE_MIN || syncfs(entries[first].descriptor) != 0)
        return; /* on failure fsync says which of the files it was */
    for (size_t i = first; i < count; i++)
        if (entries[i].error == UNDONE && entries[i].whole_sync && !entries[i].in_order &&
            entries[i].device == entries[first].device)
            entries[i].error = 0;
}

/* Bytes and blocks, as lib/journal.h wants it. An error is told here, and once: as by fsync. */
static int write_one(int descriptor)
{
    unsigned int const all =
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    return sync_file_range(descriptor, 0, 0, all) == 0 ? 0 : errno;
}

/* What fails here may be told only once: where ext4 finds no block (a bitmap is damaged) it throws
 * the bytes away, and an fsync after that succeeds. A syncfs that comes first does not tell. */
static void start_one(struct durable *entry)
{
    if (sync_file_range(entry->descriptor, 0, 0, SYNC_FILE_RANGE_WRITE) != 0 && errno != ENOSYS)
        entry->error = errno;
}

void durable_sync(struct durable *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        entries[i].error = UNDONE;
    /* Start all before waiting for the first: the blocks of all are then allocated before the first
     * fsync commits the journal, and the commit serves them all. */
    if (count > 1)
        for (size_t i = 0; i < count; i++)
            start_one(entries + i);
    for (size_t i = 0; i < count; i++)
        if (entries[i].error == UNDONE && entries[i].whole_sync && !entries[i].in_order)
            sync_device(entries, count, i);
    for (size_t i = 0; i < count; i++)
        if (entries[i].error == UNDONE)
            entries[i].error = entries[i].in_order ? write_one(entries[i].descriptor)
                                                   : sync_one(entries[i].descriptor);
}
