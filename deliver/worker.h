/* The life of the worker: jobs in, answers out, a batch at a time. */
#ifndef EKIDEN_WORKER_H
#define EKIDEN_WORKER_H

#include "deliver/batch.h"

/* Serves the scheduler at the other end of SOCKET (a unix stream socket) with BATCH, until the
 * scheduler closes it or SIGTERM or SIGINT comes; the batch at hand is finished and answered first.
 * Returns the exit code: 0, 111 where the system or the scheduler's protocol failed (logged). */
int worker_serve(int socket, struct batch *batch);

#endif
