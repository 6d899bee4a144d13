/* Mailboxes below the mail root: found, made where they are missing, kept open for the next
 * message.
 *
 * A mailbox is the folder MAILROOT/PATH/Maildir with tmp, new and cur. PATH comes from the
 * configuration by way of the scheduler, and is checked here again. Folders are opened one after
 * the other with O_NOFOLLOW, so that a symbolic link never leads anywhere. (openat2 with
 * RESOLVE_BENEATH would do it in one call; but missing folders must be made on the way, and it
 * happens once a mailbox, so the loop that works everywhere is the only way.) */
#ifndef EKIDEN_MAILBOX_H
#define EKIDEN_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "deliver/failure.h"

#define MAILBOX_BATCH_MAX 64                       /* mailboxes in use at the same time */
#define MAILBOX_CACHE     (MAILBOX_BATCH_MAX + 32) /* each holds two descriptors */

#define MAILBOX_LOOK_SECONDS (24 * 3600) /* from one look for old files in tmp/ to the next */

struct mailbox {
    char path[JOB_MAILBOX_MAX + 1]; /* empty: this place of the cache is free */
    int tmp, new;                   /* descriptors, close-on-exec */
    dev_t device;
    ino_t tmp_inode, new_inode;
    bool whole_sync;      /* syncfs on this file system makes everything durable (durable.h) */
    bool in_order;        /* its journal keeps the order of what is done (lib/journal.h) */
    bool in_use;          /* part of the batch: stays open */
    time_t looked;        /* last look for old files in tmp/, seconds since 1970 */
    unsigned long moment; /* of the last use, by the count of uses */
};

struct mailbox_cache {
    int root;              /* the mail root; the caller's */
    dev_t device_in_order; /* whose journal keeps the order; 0: of none is it known */
    unsigned long uses;
    struct mailbox places[MAILBOX_CACHE];
};

/* Before the fence. */
void mailbox_cache_start(struct mailbox_cache *cache, int root);
void mailbox_cache_free(struct mailbox_cache *cache);

/* True when PATH is relative and bounded, and no component is empty, `.` or `..`. */
bool mailbox_path_is_valid(char const *path);

/* The mailbox of PATH, open; in use until mailbox_release_all, and valid as long. At most
 * MAILBOX_BATCH_MAX different ones may be in use. One that was removed or replaced meanwhile is
 * opened anew; one that is missing is made, durably. NULL: FAILURE says why. */
struct mailbox *mailbox_open(struct mailbox_cache *cache, char const *path,
                             struct failure *failure);
void mailbox_release_all(struct mailbox_cache *cache);

#endif
