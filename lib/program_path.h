/* Where Ekiden's other programs are. */
#ifndef EKIDEN_PROGRAM_PATH_H
#define EKIDEN_PROGRAM_PATH_H

#include <stdbool.h>

#include <skalibs/stralloc.h>

/* Sets PATH to the program NAME, NUL-terminated: beside this one when it is there (a build, a
 * test), else where `make install` puts it. False when out of memory. */
bool program_path(stralloc *path, char const *name);

#endif
