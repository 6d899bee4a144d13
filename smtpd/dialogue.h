/* The SMTP dialogue: dialogue_run, declared in connection.h, serves one connection.
 *
 * It needs these system calls: read, write, sendto, ppoll, clock_gettime, shutdown, time, memory
 * (brk, mmap, munmap, mremap), and those of submit.c and lib/log.c. The caller ignores SIGPIPE and
 * blocks SIGTERM. One process serves one connection at a time: the buffers are static. */
#ifndef EKIDEN_DIALOGUE_H
#define EKIDEN_DIALOGUE_H

#include "smtpd/connection.h"

#endif
