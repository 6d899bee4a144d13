/* What ekiden-judge may still do when it reads the first question. */
#ifndef EKIDEN_JUDGE_FENCE_H
#define EKIDEN_JUDGE_FENCE_H

#include <stdbool.h>

/* Limits, file system and system calls. STATE is the folder of what is remembered; -1: none.
 * READ_ONLY: nothing is written there. */
void judge_fence_close(int state, bool read_only);

#endif
