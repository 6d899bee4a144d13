/* What ekiden-judge may still do when it reads the first question. */
#ifndef EKIDEN_JUDGE_FENCE_H
#define EKIDEN_JUDGE_FENCE_H

/* Limits, file system and system calls. STATE is the folder of what is remembered; -1: none. */
void judge_fence_close(int state);

#endif
