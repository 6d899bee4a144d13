#include "judge/judge_image.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>

/* Change it when what is in struct judge_settings changes its meaning and not its size: a server
 * may run while another version is installed. */
#define FORMAT "ekiden-judge-1"

struct head {
    char format[16];
    uint64_t settings_size, limit_size;
    uint64_t limits; /* that many follow struct judge_settings */
};

static struct head make_head(size_t limits)
{
    return (struct head){.format = FORMAT,
                         .settings_size = sizeof(struct judge_settings),
                         .limit_size = sizeof(struct limit),
                         .limits = limits};
}

static bool put(int descriptor, void const *bytes, size_t length)
{
    return allwrite(descriptor, bytes, length) == length;
}

int judge_image_make(struct judge_settings const *settings)
{
    struct head const head = make_head(settings->limits.count);
    struct judge_settings copy = *settings;
    int const image = memfd_create("ekiden-judge-image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (image < 0)
        return -1;
    copy.limits.entries = NULL; /* an address of this process is nobody else's business */
    if (put(image, &head, sizeof head) && put(image, &copy, sizeof copy) &&
        put(image, settings->limits.entries, head.limits * sizeof(struct limit)) &&
        fcntl(image, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0)
        return image;
    close(image);
    return -1;
}

/* By its offset: all judges share the descriptor's position. */
static bool get(int descriptor, void *bytes, size_t length, size_t offset)
{
    return pread(descriptor, bytes, length, (off_t)offset) == (ssize_t)length;
}

bool judge_image_take(struct judge_settings *settings, int descriptor)
{
    struct judge_settings taken;
    struct head head, ours;
    if (!get(descriptor, &head, sizeof head, 0) || head.limits > LIMITS_MAX)
        return false;
    ours = make_head(head.limits);
    size_t const size = head.limits * sizeof(struct limit);
    if (memcmp(&head, &ours, sizeof head) != 0 ||
        !get(descriptor, &taken, sizeof taken, sizeof head))
        return false;
    taken.limits.entries = malloc(size ? size : 1);
    if (!taken.limits.entries ||
        !get(descriptor, taken.limits.entries, size, sizeof head + sizeof taken)) {
        free(taken.limits.entries);
        return false;
    }
    taken.limits.count = head.limits;
    *settings = taken;
    return true;
}
