/* Where Ekiden's other programs are. */
#ifndef EKIDEN_PROGRAM_PATH_H
#define EKIDEN_PROGRAM_PATH_H

#include <stdbool.h>

#include <skalibs/stralloc.h>

/* Sets PATH to the program NAME, NUL-terminated: beside this one when it is there (a build, a
 * test), else where `make install` puts it. False when out of memory. */
bool program_path(stralloc *path, char const *name);

/* Goes to the folder of the program PATH, in a process that will become another user and then
 * execute it: it lies somewhere below the caller's home perhaps, where that user may not walk.
 * Returns the program's path from there, in memory of its own. NULL: errno. */
char const *program_approach(char const *path);

#endif
