/* Whether a file system has a journal that keeps the order of all that is done to it. */
#ifndef EKIDEN_JOURNAL_H
#define EKIDEN_JOURNAL_H

#include <stdbool.h>

/* True: the file system of the file or folder DESCRIPTOR is ext4 with a journal. Its journal commits
 * whole transactions, one after the other, and before each commit block the disk's cache is
 * flushed. So once an fsync of any file or folder has returned, all is durable that was done before
 * that one's last change, by whomever: names, sizes, and bytes that had been written to the disk
 * (sync_file_range with both waits; ext4 allocates their blocks, and marks them written, in the
 * journal before such a wait returns).
 *
 * Not so for ext4 without a journal, nor for btrfs, whose fsync logs one file, and whose wait ends
 * before the file's extents are known. xfs keeps the order too, except for files on a realtime
 * device, which nobody asks about here; it gains little, for its fsync of a folder that has been
 * logged costs nothing.
 *
 * Asked of /sys, so before the fence. False also where that does not say (a container without it):
 * then each file and each folder has its own fsync. */
bool journal_keeps_order(int descriptor);

#endif
