#include "lib/descriptors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

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
