#include "queue/send_place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "queue/queue_asked.h"

void send_place_folder(char path[SEND_PLACE_PATH_MAX], int place)
{
    switch (place) {
    case SEND_PLACE_NEW:
        snprintf(path, SEND_PLACE_PATH_MAX, "new");
        break;
    case SEND_PLACE_HOLD:
        snprintf(path, SEND_PLACE_PATH_MAX, "hold");
        break;
    case SEND_PLACE_BAD:
        snprintf(path, SEND_PLACE_PATH_MAX, "bad");
        break;
    case SEND_PLACE_NOTES:
        snprintf(path, SEND_PLACE_PATH_MAX, "notes");
        break;
    case SEND_PLACE_ASKED:
        snprintf(path, SEND_PLACE_PATH_MAX, QUEUE_ASKED_FOLDER);
        break;
    case SEND_PLACE_WHEEL:
        snprintf(path, SEND_PLACE_PATH_MAX, "wheel");
        break;
    case SEND_PLACE_QUEUE:
        snprintf(path, SEND_PLACE_PATH_MAX, ".");
        break;
    default:
        snprintf(path, SEND_PLACE_PATH_MAX, "wheel/%03u", (unsigned int)place % QUEUE_SLOTS);
    }
}

static void file_path(char path[SEND_PLACE_PATH_MAX], int place, char const *id)
{
    char folder[SEND_PLACE_PATH_MAX];
    send_place_folder(folder, place);
    snprintf(path, SEND_PLACE_PATH_MAX, "%.9s/%.*s", folder, QUEUE_ID_LENGTH, id);
}

int send_place_open(int queue, int place, char const *id, int flags)
{
    char path[SEND_PLACE_PATH_MAX];
    int descriptor;
    file_path(path, place, id);
    do
        descriptor = openat(queue, path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    while (descriptor < 0 && errno == EINTR);
    return descriptor;
}

bool send_place_rename(int queue, char const *from, char const *to)
{
    /* A plain rename would silently replace another message that has this name. */
    if (renameat2(queue, from, queue, to, RENAME_NOREPLACE) == 0)
        return true;
    if (errno != EINVAL)
        return false;
    /* A file system without the flag: look first. Nobody else moves files, so nothing comes
     * between. */
    if (faccessat(queue, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return false;
    }
    return errno == ENOENT && renameat(queue, from, queue, to) == 0;
}

bool send_place_move(int queue, int from, int to, char const *id)
{
    char source[SEND_PLACE_PATH_MAX], target[SEND_PLACE_PATH_MAX];
    file_path(source, from, id);
    file_path(target, to, id);
    return send_place_rename(queue, source, target);
}

bool send_place_stat(int queue, int place, char const *id, struct stat *status)
{
    char path[SEND_PLACE_PATH_MAX];
    file_path(path, place, id);
    return fstatat(queue, path, status, AT_SYMLINK_NOFOLLOW) == 0;
}

bool send_place_remove(int queue, int place, char const *id)
{
    char path[SEND_PLACE_PATH_MAX];
    file_path(path, place, id);
    return unlinkat(queue, path, 0) == 0;
}

static bool is_there(int queue, int place, char const *id)
{
    char path[SEND_PLACE_PATH_MAX];
    file_path(path, place, id);
    return faccessat(queue, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool send_place_find(int queue, char const *id, int *place)
{
    if (*place >= SEND_PLACE_BAD && *place < QUEUE_SLOTS && is_there(queue, *place, id))
        return true;
    for (*place = SEND_PLACE_BAD; *place < QUEUE_SLOTS; ++*place)
        if (is_there(queue, *place, id))
            return true;
    return false;
}

bool send_place_sync(int queue, int place)
{
    char path[SEND_PLACE_PATH_MAX];
    int folder, result;
    send_place_folder(path, place);
    do
        folder = openat(queue, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    while (folder < 0 && errno == EINTR);
    if (folder < 0)
        return false;
    do
        result = fsync(folder);
    while (result != 0 && errno == EINTR);
    int const saved = errno;
    close(folder);
    errno = saved;
    return result == 0;
}
