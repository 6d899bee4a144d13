#include "queue/inject_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/fmtscan.h>
#include <skalibs/types.h>

#define FOLDERS "/proc/self/fd/"

static bool open_folder(char const *path, size_t length, int *folder)
{
    char *const copy = strndup(path, length);
    if (copy)
        *folder = open(length ? copy : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    return *folder >= 0;
}

bool inject_path_address(struct sockaddr_un *address, char const *path, int *folder)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    *folder = -1;
    if (strlen(path) < sizeof address->sun_path) {
        memcpy(address->sun_path, path, strlen(path));
        return true;
    }
    char const *const slash = strrchr(path, '/');
    if (!slash || sizeof FOLDERS + UINT_FMT + strlen(slash) > sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (!open_folder(path, (size_t)(slash - path), folder))
        return false;
    size_t length = str_fmt(address->sun_path, FOLDERS);
    length += uint_fmt(address->sun_path + length, (unsigned int)*folder);
    memcpy(address->sun_path + length, slash, strlen(slash));
    return true;
}
