/* The descriptors that every program expects to have. */
#ifndef EKIDEN_DESCRIPTORS_H
#define EKIDEN_DESCRIPTORS_H

#include <stdbool.h>

/* Opens /dev/null for each of 0, 1 and 2 that is not open: what is opened later would get its
 * number, and be read, or written to, by mistake. False: errno. */
bool descriptors_standard(void);

#endif
