#include "lib/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"

bool descriptors_standard(void)
{
    for (int descriptor = 0; descriptor <= 2; descriptor++)
        if (fcntl(descriptor, F_GETFD) < 0 && open("/dev/null", O_RDWR) != descriptor)
            return false;
    return true;
}

void descriptors_hide_log(void)
{
    struct stat input, log;
    if (fstat(0, &input) == 0 && fstat(2, &log) == 0 && S_ISSOCK(input.st_mode) &&
        input.st_dev == log.st_dev && input.st_ino == log.st_ino)
        close(2);
}

static int compare(void const *one, void const *other)
{
    return *(int const *)one - *(int const *)other;
}

static void close_between(int first, int last)
{
    if (first > last || close_range((unsigned int)first, (unsigned int)last, 0) == 0)
        return;
    log_failure("descriptors-not-closed", "close_range", errno);
    _exit(111);
}

void descriptors_keep(int *kept, size_t count)
{
    int next = 0;
    qsort(kept, count, sizeof *kept, compare);
    for (size_t i = 0; i < count; i++) {
        close_between(next, kept[i] - 1);
        next = kept[i] + 1;
    }
    close_between(next, INT_MAX);
}
