/* What a file was when it was looked at, by which it is seen that it is another one now. */
#ifndef EKIDEN_KEY_STAMP_H
#define EKIDEN_KEY_STAMP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct key_stamp {
    int error; /* errno of a file that cannot be looked at; then the rest is 0 */
    dev_t device;
    ino_t inode;
    off_t size;
    mode_t mode;
    struct timespec written, changed;
};

/* Of the file, or folder, at PATH, which starts at DIRECTORY. */
struct key_stamp key_stamp_take(int directory, char const *path);

bool key_stamp_is_same(struct key_stamp const *one, struct key_stamp const *other);

/* Milliseconds since TIME, one of a stamp's; what lies in the future is old: a clock was set back.
 */
uint64_t key_stamp_age(struct timespec const *time);

#endif
