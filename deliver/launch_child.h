/* The process that delivers to one user: started under his uid, and ended. */
#ifndef EKIDEN_LAUNCH_CHILD_H
#define EKIDEN_LAUNCH_CHILD_H

#include "deliver/launch_account.h"
#include "deliver/launch_settings.h"

struct launch_program {
    int descriptor;     /* of ekiden-dotqmail, opened once: its user may be unable to reach it */
    char const *inject; /* what it is told of the injector's socket */
};

/* Gives up what this process does not need: all capabilities but those to change uid and gid, the
 * way to new ones, dumps. Dies with exit code 111 after logging when that fails. */
void launch_child_restrict(void);

/* Starts the process for ACCOUNT, with SOCKET (which stays the caller's) as its descriptor 0.
 * Returns its pid, or -1 with errno. */
pid_t launch_child_start(struct launch_program const *program,
                         struct launch_settings const *settings,
                         struct launch_account const *account, int socket);

/* Kills the process PID of the user UID, which was not waited for yet. Not certain: a user may stop
 * the one who comes to kill. Nothing is waited for; the helper is one more child to be reaped. */
void launch_child_kill(pid_t pid, uid_t uid);

#endif
