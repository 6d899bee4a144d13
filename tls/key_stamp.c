#include "tls/key_stamp.h"

#include <errno.h>
#include <sys/stat.h>

struct key_stamp key_stamp_take(int directory, char const *path)
{
    struct stat status;
    if (fstatat(directory, path, &status, 0) != 0)
        return (struct key_stamp){.error = errno};
    return (struct key_stamp){.device = status.st_dev,
                              .inode = status.st_ino,
                              .size = status.st_size,
                              .mode = status.st_mode,
                              .written = status.st_mtim,
                              .changed = status.st_ctim};
}

static bool is_same_time(struct timespec const *one, struct timespec const *other)
{
    return one->tv_sec == other->tv_sec && one->tv_nsec == other->tv_nsec;
}

bool key_stamp_is_same(struct key_stamp const *one, struct key_stamp const *other)
{
    return one->error == other->error && one->device == other->device &&
           one->inode == other->inode && one->size == other->size && one->mode == other->mode &&
           is_same_time(&one->written, &other->written) &&
           is_same_time(&one->changed, &other->changed);
}

uint64_t key_stamp_age(struct timespec const *time)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t const passed =
        (int64_t)(now.tv_sec - time->tv_sec) * 1000 + (now.tv_nsec - time->tv_nsec) / 1000000;
    return passed < -1000 ? UINT64_MAX : passed < 0 ? 0 : (uint64_t)passed;
}
