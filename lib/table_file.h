/* The compiled file NAME.cdb beside a large control file. Part of lib/table.h: nothing else needs
 * it.
 *
 * Its first record is the stamp: what the control file was when it was read, and a checksum of the
 * cdb. One that does not fit, or is cut, or damaged, is passed over as if it were not there. */
#ifndef EKIDEN_TABLE_FILE_H
#define EKIDEN_TABLE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include <skalibs/cdb.h>

#include "lib/control.h"

#define TABLE_STAMP_KEY        "\0source"
#define TABLE_STAMP_KEY_LENGTH (sizeof TABLE_STAMP_KEY - 1)

/* As it stands in the file, in this machine's byte order: another machine's does not fit. */
struct table_stamp {
    /* Change it when the format or what counts as a valid entry changes. */
    char format[16];
    uint64_t size, inode, device;
    uint64_t modified_seconds, modified_nanoseconds;
    /* The change time too: it cannot be set, so that `cp -p` and `touch -r` deceive nobody. */
    uint64_t changed_seconds, changed_nanoseconds;
    uint64_t cdb_size; /* 0 while the cdb is made, then its size in bytes */
    uint64_t checksum; /* of all bytes but the stamp */
};

/* The stamp of a control file whose status is SOURCE, without size and checksum of the cdb. */
void table_stamp_make(struct table_stamp *stamp, struct stat const *source);

/* Maps NAME.cdb if it was made from a control file with this STAMP and is whole. */
bool table_file_open(cdb *map, struct control const *control, char const *name,
                     struct table_stamp const *stamp);

/* Saves the cdb MAP, which table_compile made with STAMP, as NAME.cdb, with the access rights of
 * SOURCE. It is a convenience only: when it cannot be written, nothing happens. */
void table_file_save(cdb const *map, struct control const *control, char const *name,
                     struct table_stamp const *stamp, struct stat const *source);

#endif
