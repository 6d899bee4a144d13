#include "lib/table_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>
#include <skalibs/uint32.h>

#include "lib/checksum.h"

#define FORMAT       "ekiden-table-2"
#define HEADER_SIZE  2048 /* bytes: 256 pairs of a hash table's position and its slots */
#define STAMP_OFFSET (HEADER_SIZE + 8 + TABLE_STAMP_KEY_LENGTH)
#define NAME_SIZE    300 /* a file's name has at most 255 bytes */

void table_stamp_make(struct table_stamp *stamp, struct stat const *source)
{
    *stamp = (struct table_stamp){
        .format = FORMAT,
        .size = (uint64_t)source->st_size,
        .inode = (uint64_t)source->st_ino,
        .device = (uint64_t)source->st_dev,
        .modified_seconds = (uint64_t)source->st_mtim.tv_sec,
        .modified_nanoseconds = (uint64_t)source->st_mtim.tv_nsec,
        .changed_seconds = (uint64_t)source->st_ctim.tv_sec,
        .changed_nanoseconds = (uint64_t)source->st_ctim.tv_nsec,
    };
}

static uint64_t checksum_of(char const *bytes, size_t length)
{
    struct checksum checksum;
    size_t behind = STAMP_OFFSET + sizeof(struct table_stamp);
    checksum_start(&checksum);
    checksum_add(&checksum, bytes, STAMP_OFFSET);
    checksum_add(&checksum, bytes + behind, length - behind);
    return checksum_end(&checksum);
}

/* True when MAP is a whole cdb with this stamp. The checksum does not excuse from looking at the
 * hash tables: a look-up must end and stay inside whatever a file holds. */
static bool is_whole(cdb const *map, struct table_stamp const *stamp)
{
    struct table_stamp found;
    uint64_t end = STAMP_OFFSET + sizeof found;
    if (map->size < end)
        return false;
    for (size_t i = 0; i < HEADER_SIZE; i += 8) {
        uint32_t position, slots;
        uint32_unpack(map->map + i, &position);
        uint32_unpack(map->map + i + 4, &slots);
        if (position < end || position + (uint64_t)slots * 8 > map->size)
            return false;
        end = position + (uint64_t)slots * 8; /* they follow one another, to the file's end */
    }
    memcpy(&found, map->map + STAMP_OFFSET, sizeof found);
    return end == map->size && found.cdb_size == map->size &&
           !memcmp(&found, stamp, offsetof(struct table_stamp, cdb_size)) &&
           found.checksum == checksum_of(map->map, map->size);
}

bool table_file_open(cdb *map, struct control const *control, char const *name,
                     struct table_stamp const *stamp)
{
    char path[NAME_SIZE];
    struct stat status;
    cdb opened = CDB_ZERO;
    snprintf(path, sizeof path, "%s.cdb", name);
    int descriptor =
        openat(control->directory, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    if (descriptor < 0)
        return false;
    bool good = fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) &&
                status.st_size >= HEADER_SIZE && cdb_init_fromfd(&opened, descriptor);
    fd_close(descriptor);
    if (!good)
        return false;
    if (!is_whole(&opened, stamp)) {
        cdb_free(&opened);
        return false;
    }
    *map = opened;
    return true;
}

/* The cdb may be read by whom the source may be read by, never by more. */
static bool copy_rights(int descriptor, struct stat const *source)
{
    mode_t group = fchown(descriptor, (uid_t)-1, source->st_gid) == 0 ? 0040 : 0;
    return fchmod(descriptor, 0600 | (source->st_mode & (0004 | group))) == 0;
}

static bool write_file(int descriptor, cdb const *map, struct table_stamp const *stamp,
                       struct stat const *source)
{
    struct table_stamp complete = *stamp;
    complete.cdb_size = map->size;
    complete.checksum = checksum_of(map->map, map->size);
    return allwrite(descriptor, map->map, map->size) == map->size &&
           pwrite(descriptor, &complete, sizeof complete, STAMP_OFFSET) ==
               (ssize_t)sizeof complete &&
           copy_rights(descriptor, source) && fsync(descriptor) == 0;
}

void table_file_save(cdb const *map, struct control const *control, char const *name,
                     struct table_stamp const *stamp, struct stat const *source)
{
    char path[NAME_SIZE], temporary[NAME_SIZE + 32];
    snprintf(path, sizeof path, "%s.cdb", name);
    snprintf(temporary, sizeof temporary, "%s.new.%ld", path, (long)getpid());
    int descriptor =
        openat(control->directory, temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0) {
        /* Left by a process of this number that was killed: next time there is room. */
        if (errno == EEXIST)
            unlinkat(control->directory, temporary, 0);
        return;
    }
    bool saved = write_file(descriptor, map, stamp, source) &&
                 renameat(control->directory, temporary, control->directory, path) == 0;
    if (!saved)
        unlinkat(control->directory, temporary, 0);
    fd_close(descriptor);
}
