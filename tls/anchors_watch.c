#include "tls/anchors_watch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tls/anchors.h"

static struct anchors_stamp_file stamp_file(int folder, char const *path)
{
    struct stat about;
    struct anchors_stamp_file file;
    memset(&file, 0, sizeof file);
    if (fstatat(folder, path, &about, 0) != 0)
        return file;
    file.present = true;
    file.device = about.st_dev;
    file.inode = about.st_ino;
    file.size = about.st_size;
    file.written = about.st_mtim;
    file.changed = about.st_ctim;
    return file;
}

static struct anchors_stamp stamp(struct control const *folder)
{
    struct anchors_stamp result = {.control = stamp_file(folder->directory, ANCHORS_CONTROL)};
    char *const path = anchors_path(folder, NULL);
    memset(&result.bundle, 0, sizeof result.bundle);
    if (path)
        result.bundle = stamp_file(AT_FDCWD, path);
    free(path);
    return result;
}

static bool is_same_file(struct anchors_stamp_file const *one,
                         struct anchors_stamp_file const *other)
{
    return one->present == other->present && one->device == other->device &&
           one->inode == other->inode && one->size == other->size &&
           one->written.tv_sec == other->written.tv_sec &&
           one->written.tv_nsec == other->written.tv_nsec &&
           one->changed.tv_sec == other->changed.tv_sec &&
           one->changed.tv_nsec == other->changed.tv_nsec;
}

static bool is_same(struct anchors_stamp const *one, struct anchors_stamp const *other)
{
    return is_same_file(&one->control, &other->control) &&
           is_same_file(&one->bundle, &other->bundle);
}

void anchors_watch_start(struct anchors_watch *watch, struct control const *folder)
{
    *watch = (struct anchors_watch){.folder = folder};
    watch->loaded = watch->last = stamp(folder);
}

bool anchors_watch_look(struct anchors_watch *watch)
{
    struct anchors_stamp const now = stamp(watch->folder);
    bool const settled = is_same(&now, &watch->last);
    bool const changed = !is_same(&now, &watch->loaded);
    watch->last = now;
    if (settled && changed)
        watch->loaded = now;
    return settled && changed;
}
