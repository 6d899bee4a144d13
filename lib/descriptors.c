#include "lib/descriptors.h"

#include <fcntl.h>
#include <unistd.h>

bool descriptors_standard(void)
{
    for (int descriptor = 0; descriptor <= 2; descriptor++)
        if (fcntl(descriptor, F_GETFD) < 0 && open("/dev/null", O_RDWR) != descriptor)
            return false;
    return true;
}
