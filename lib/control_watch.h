/* Notices when control files change, so that a program can load them anew without a restart.
 *
 * A file that was written to its end or renamed into place counts at once, and one with another
 * mode or owner. One that vanished, or came as a link, counts only after CONTROL_WATCH_SECONDS
 * without anything else: editors move the old file away before they write the new one, and an
 * absent file would mean its default for that moment. */
#ifndef EKIDEN_CONTROL_WATCH_H
#define EKIDEN_CONTROL_WATCH_H

#include <limits.h>
#include <stdbool.h>
#include <time.h>

#include "lib/control.h"

#define CONTROL_WATCH_SECONDS 2

struct control_watch {
    int descriptor;          /* inotify: to be polled for reading; -1: none */
    time_t due;              /* CLOCK_MONOTONIC; 0: nothing waits */
    bool several;            /* more than one file is away */
    char away[NAME_MAX + 1]; /* the one that is: when it comes back, nothing waits any more */
    int also;                /* the watch of another folder, of which one file counts; -1: none */
    char const *also_name;   /* the caller's */
    int below;               /* the watch of a folder in the folder; -1: none */
    char const *below_name;  /* the caller's; 0: none is wanted */
    struct control const *below_of;
};

/* Watches the folder of CONTROL. False: errno, and descriptor -1. The folder itself is meant, not
 * its name: one that is replaced as a whole is not noticed. */
bool control_watch_start(struct control_watch *watch, struct control const *control);

/* Watches the file NAME in FOLDER as well, such as /etc/passwd. Where it cannot be watched nothing
 * happens. */
void control_watch_also(struct control_watch *watch, char const *folder, char const *name);

/* Watches the folder NAME within that of CONTROL, which must outlive the watch, as well, now or
 * when it comes: what appears in it or goes counts like a control file. What changes further down
 * does not. */
void control_watch_below(struct control_watch *watch, struct control const *control,
                         char const *name);

/* Reads what happened, without waiting. True when the files are to be loaded now. */
bool control_watch_check(struct control_watch *watch);

/* Called after a load, before what was loaded is used. False when a file changed meanwhile: what
 * was loaded may have a gap and is thrown away; control_watch_check says when to load again. */
bool control_watch_is_settled(struct control_watch *watch);

/* Logs how a reload went: `settings-loaded`, or `settings-not-loaded` with ERROR. */
void control_watch_log(bool loaded, struct control_error const *error);

/* Milliseconds until control_watch_check must be called without an event; -1: not needed. */
int control_watch_wait(struct control_watch const *watch);

#endif
