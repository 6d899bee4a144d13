#include "lib/control_watch.h"

#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* Not IN_MODIFY: a file that is being written is half a file. */
#define AT_ONCE (IN_CLOSE_WRITE | IN_MOVED_TO)
#define LATER   (IN_MOVED_FROM | IN_DELETE | IN_CREATE)

static time_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec;
}

bool control_watch_start(struct control_watch *watch, char const *path)
{
    watch->due = 0;
    watch->descriptor = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->descriptor < 0)
        return false;
    if (inotify_add_watch(watch->descriptor, path, AT_ONCE | LATER | IN_ONLYDIR) >= 0)
        return true;
    close(watch->descriptor);
    watch->descriptor = -1;
    return false;
}

/* Files that the programs make themselves (to load because of them would never end), and editors'
 * own, are no change. */
static bool is_setting(struct inotify_event const *event)
{
    size_t const length = event->len ? strlen(event->name) : 0;
    return length && event->name[0] != '.' && event->name[length - 1] != '~' &&
           !strstr(event->name, ".cdb");
}

bool control_watch_check(struct control_watch *watch)
{
    _Alignas(struct inotify_event) char bytes[4096];
    bool at_once = false, later = false;
    ssize_t length;
    while (watch->descriptor >= 0 && (length = read(watch->descriptor, bytes, sizeof bytes)) > 0)
        for (ssize_t at = 0; at < length;) {
            struct inotify_event const *const event =
                (struct inotify_event const *)(void const *)(bytes + at);
            later |= event->mask & IN_Q_OVERFLOW || (event->mask & LATER && is_setting(event));
            at_once |= event->mask & AT_ONCE && is_setting(event);
            at += (ssize_t)(sizeof *event + event->len);
        }
    if (later && !at_once)
        watch->due = now() + CONTROL_WATCH_SECONDS;
    if (!at_once && !(watch->due && now() >= watch->due))
        return false;
    watch->due = 0;
    return true;
}

int control_watch_wait(struct control_watch const *watch)
{
    if (!watch->due)
        return -1;
    time_t const left = watch->due - now();
    return left > 0 ? (int)left * 1000 : 0;
}
