/* Notices when the bundle of authorities changes, or `tlsanchors`, which names it. By stat and not
 * by inotify: the bundle may be a link to another folder, on a file system of its own, or a
 * container's, and a few seconds do not matter. */
#ifndef EKIDEN_ANCHORS_WATCH_H
#define EKIDEN_ANCHORS_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "lib/control.h"

#define ANCHORS_WATCH_SECONDS 2

struct anchors_stamp {
    struct anchors_stamp_file {
        bool present;
        dev_t device;
        ino_t inode;
        off_t size;
        struct timespec written, changed;
    } control, bundle;
};

struct anchors_watch {
    struct control const *folder;
    struct anchors_stamp loaded, last;
};

/* Notes how the files are now: called before they are read. */
void anchors_watch_start(struct anchors_watch *watch, struct control const *folder);

/* Looks, every ANCHORS_WATCH_SECONDS. True when the files are others than were loaded, and the same
 * as at the last look: so that half a file does not count. They count as loaded then. */
bool anchors_watch_look(struct anchors_watch *watch);

#endif
