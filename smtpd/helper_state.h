/* The folder in which a helper program keeps what it must remember: its user's alone. The keeper
 * makes and opens it, and hands it over. */
#ifndef EKIDEN_HELPER_STATE_H
#define EKIDEN_HELPER_STATE_H

#include <stdbool.h>

#include "lib/privilege.h"

struct helper_state {
    struct privilege_user user;
    char const *path;
    int folder; /* -1: not opened yet, or unusable when it was tried last */
};

/* Looks up the user NAME, and opens the folder where it is not open, or was removed since. False
 * after logging. */
bool helper_state_open(struct helper_state *state, char const *name);

/* The same for who only looks on: makes no folder, and does without one that is not there. False
 * when there is no such user: logged. */
bool helper_state_look(struct helper_state *state, char const *name);

#endif
