#include "lib/program_path.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "configured.h"

static bool join(stralloc *path, char const *folder, char const *name)
{
    return stralloc_copys(path, folder) && stralloc_cats(path, "/") && stralloc_cats(path, name) &&
           stralloc_0(path);
}

bool program_path(stralloc *path, char const *name)
{
    char self[4096];
    ssize_t const length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length > 0) {
        self[length] = 0;
        *strrchr(self, '/') = 0;
        if (!join(path, self, name))
            return false;
        if (access(path->s, X_OK) == 0)
            return true;
    }
    return join(path, CONFIGURED_LIBEXEC, name);
}

char const *program_approach(char const *path)
{
    static char relative[PATH_MAX];
    char const *const slash = strrchr(path, '/');
    if (!slash || slash == path)
        return path;
    if (snprintf(relative, sizeof relative, "%.*s", (int)(slash - path), path) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    if (chdir(relative) != 0)
        return NULL;
    snprintf(relative, sizeof relative, ".%s", slash);
    return relative;
}
