/* Whether a file system has a journal that keeps the order of all that is done to it. */
#ifndef EKIDEN_JOURNAL_H
#define EKIDEN_JOURNAL_H

#include <stdbool.h>

/* True: the file system of the file or folder DESCRIPTOR is ext4 with a journal in it, and has
 * data=ordered. Its journal commits whole transactions, one after the other, and before each commit
 * block the disk's cache is flushed. So once an fsync of any file or folder has returned, all is
 * durable that was done before that one's last change, by whomever: names, sizes, and bytes that
 * had been written to the disk (sync_file_range with both waits; ext4 allocates their blocks, and
 * marks them written, in the journal before such a wait returns).
 *
 * Not so for ext4 with a journal on another device: a commit flushes the file system's own device
 * only when the transaction has got new blocks, not for bytes that were added to a block that it
 * had before. Nor with journal_async_commit (which data=ordered excludes): a commit block may be on
 * the disk before the cache is flushed. Nor for ext4 without a journal, nor for btrfs, whose fsync
 * logs one file, and whose wait ends before the file's extents are known. xfs keeps the order too,
 * except for files on a realtime device, which nobody asks about here; it gains little, for its
 * fsync of a folder that has been logged costs nothing.
 *
 * Asked of /sys and /proc, so before the fence. False also where they do not say (a container):
 * then each file and each folder has its own fsync. */
bool journal_keeps_order(int descriptor);

#endif
