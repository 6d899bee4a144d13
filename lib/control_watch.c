#include "lib/control_watch.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"

/* Not IN_MODIFY: a file that is being written is half a file. */
#define AT_ONCE (IN_CLOSE_WRITE | IN_MOVED_TO)
#define LATER   (IN_MOVED_FROM | IN_DELETE | IN_CREATE)
/* A mode or an owner that was mended: but while a file is new or away it says nothing about bytes.
 */
#define RIGHTS IN_ATTRIB

#define OWN_DESCRIPTORS "/proc/self/fd/"

/* NAME, or with "." the folder itself. By its descriptor where there is no way to its path any
 * more.
 */
static int watch_folder(int descriptor, struct control const *control, char const *name)
{
    char path[PATH_MAX];
    uint32_t const events = AT_ONCE | LATER | RIGHTS | IN_ONLYDIR;
    int watch = -1;
    if (snprintf(path, sizeof path, "%s/%s", control->path, name) < (int)sizeof path)
        watch = inotify_add_watch(descriptor, path, events);
    if (watch >= 0)
        return watch;
    snprintf(path, sizeof path, OWN_DESCRIPTORS "%d/%s", control->directory, name);
    return inotify_add_watch(descriptor, path, events);
}

bool control_watch_start(struct control_watch *watch, struct control const *control)
{
    watch->due = 0;
    watch->several = false;
    watch->also = watch->below = -1;
    watch->below_name = NULL;
    watch->descriptor = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->descriptor < 0)
        return false;
    if (watch_folder(watch->descriptor, control, ".") >= 0)
        return true;
    close(watch->descriptor);
    watch->descriptor = -1;
    return false;
}

void control_watch_also(struct control_watch *watch, char const *folder, char const *name)
{
    watch->also_name = name;
    if (watch->descriptor >= 0)
        watch->also = inotify_add_watch(watch->descriptor, folder, AT_ONCE | IN_ONLYDIR);
}

void control_watch_below(struct control_watch *watch, struct control const *control,
                         char const *name)
{
    watch->below_name = name;
    watch->below_of = control;
    if (watch->descriptor < 0)
        return;
    int const before = watch->below;
    watch->below = watch_folder(watch->descriptor, control, name);
    if (before >= 0 && before != watch->below) /* another folder has the name now */
        (void)inotify_rm_watch(watch->descriptor, before);
}

/* Files that the programs make themselves (to load because of them would never end), and editors'
 * own, are no change. */
static bool is_setting(struct inotify_event const *event)
{
    size_t const length = event->len ? strlen(event->name) : 0;
    return length && event->name[0] != '.' && event->name[length - 1] != '~' &&
           !strstr(event->name, ".cdb");
}

static void note_away(struct control_watch *watch, char const *name)
{
    watch->several = watch->due && (watch->several || strcmp(watch->away, name));
    strncpy(watch->away, name, sizeof watch->away - 1);
    watch->due = clock_seconds() + CONTROL_WATCH_SECONDS;
}

/* True for a file that is complete. */
static bool note(struct control_watch *watch, struct inotify_event const *event)
{
    if (event->mask & IN_Q_OVERFLOW)
        note_away(watch, "");
    if (event->wd == watch->also && event->len)
        return !strcmp(event->name, watch->also_name);
    if (!is_setting(event))
        return false;
    if (watch->below_name && event->wd != watch->below && event->mask & (IN_CREATE | IN_MOVED_TO) &&
        !strcmp(event->name, watch->below_name))
        control_watch_below(watch, watch->below_of, watch->below_name);
    if (event->mask & LATER)
        note_away(watch, event->name);
    if (event->mask & RIGHTS)
        return !watch->due;
    if (!(event->mask & AT_ONCE))
        return false;
    if (watch->due && !watch->several && !strcmp(watch->away, event->name))
        watch->due = 0;
    return true;
}

bool control_watch_check(struct control_watch *watch)
{
    _Alignas(struct inotify_event) char bytes[4096];
    bool complete = false;
    ssize_t length;
    while (watch->descriptor >= 0 && (length = read(watch->descriptor, bytes, sizeof bytes)) > 0)
        for (ssize_t at = 0; at < length;) {
            struct inotify_event const *const event =
                (struct inotify_event const *)(void const *)(bytes + at);
            complete |= note(watch, event);
            at += (ssize_t)(sizeof *event + event->len);
        }
    /* While a file is away, even a complete other one has to wait. */
    if (watch->due ? clock_seconds() < watch->due : !complete)
        return false;
    watch->due = 0;
    watch->several = false;
    return true;
}

bool control_watch_is_settled(struct control_watch *watch)
{
    if (control_watch_check(watch)) {
        watch->due = clock_seconds(); /* at the next check */
        watch->several = true;
    }
    return !watch->due;
}

void control_watch_log(bool loaded, struct control_error const *error)
{
    struct log_line line;
    log_begin(&line, loaded ? "settings-loaded" : "settings-not-loaded");
    if (!loaded) {
        log_text(&line, "error", error->text);
        log_text(&line, "next", "the last good settings stay in use");
    }
    log_write(&line);
}

int control_watch_wait(struct control_watch const *watch)
{
    if (!watch->due)
        return -1;
    time_t const left = watch->due - clock_seconds();
    return left > 0 ? (int)left * 1000 : 0;
}
