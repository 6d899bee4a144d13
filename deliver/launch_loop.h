/* The life of ekiden-launch: jobs in, sorted by user, one process a user at a time, answers out. */
#ifndef EKIDEN_LAUNCH_LOOP_H
#define EKIDEN_LAUNCH_LOOP_H

#include "deliver/launch_user.h"
#include "lib/control.h"
#include "lib/control_watch.h"

#define LAUNCH_USERS_AT_ONCE 40   /* users to whom is delivered at the same time */
#define LAUNCH_JOBS_MAX      1000 /* in hand; the scheduler's further ones stay in the socket */
#define LAUNCH_STOP_SECONDS  10   /* for deliveries in flight when SIGTERM comes */
#define LAUNCH_GONE_SECONDS  3    /* the same when the scheduler is gone */

/* Serves the scheduler at the other end of SOCKET until it closes it, or SIGTERM or SIGINT comes.
 * LAUNCH has its program and first settings; WATCH says when to load them from CONTROL anew.
 * Returns the exit code. */
int launch_loop(struct launch *launch, int socket, struct control const *control,
                struct control_watch *watch);

#endif
