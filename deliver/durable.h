/* Making many files durable at once. */
#ifndef EKIDEN_DURABLE_H
#define EKIDEN_DURABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct durable {
    int descriptor;  /* of a file or folder */
    dev_t device;    /* its file system */
    bool whole_sync; /* durable_whole_sync(descriptor) */
    bool in_order;   /* journal_keeps_order(descriptor), and something later is made durable */
    int error;       /* result: 0, or the errno of what failed */
};

/* Returns when the COUNT files or folders are on the disk, each with its own result. Of those that
 * are in_order the bytes only: they are durable with the first later change that is. */
void durable_sync(struct durable *entries, size_t count);

/* True when syncfs on the file system of DESCRIPTOR gives what fsync gives: its kernel reports
 * write errors there (Linux 5.8), and flushes the disk's cache. */
bool durable_whole_sync(int descriptor);

#endif
