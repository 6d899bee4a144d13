#include "smtpd/helper_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"

static void log_unusable(struct helper_state const *state, char const *what, int number)
{
    struct log_line line;
    log_begin(&line, "state-unusable");
    log_text(&line, "folder", state->path);
    log_text(&line, "user", state->user.name);
    log_text(&line, "what", what);
    if (number)
        log_errno(&line, number);
    log_write(&line);
}

/* Made where it is missing, opened when it is first needed, tried again while it cannot be: who
 * needs none does not depend on it. By O_PATH, because it is closed to the keeper, which has no
 * CAP_DAC_OVERRIDE in its unit. */
static bool open_folder(struct helper_state *state)
{
    struct stat status;
    bool const made = mkdir(state->path, 0700) == 0;
    int const folder = open(state->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0 || fstat(folder, &status) != 0) {
        log_unusable(state, "make this folder, mode 0700, for this user", errno);
    } else if (made && privilege_is_root() &&
               fchownat(folder, "", state->user.uid, state->user.gid, AT_EMPTY_PATH) != 0) {
        log_unusable(state, "cannot be given to this user", errno);
    } else if (!made && status.st_uid != state->user.uid) {
        log_unusable(state, "belongs to somebody else: chown it to this user", 0);
    } else {
        state->folder = folder;
        return true;
    }
    if (folder >= 0)
        close(folder);
    return false;
}

/* A folder that was removed while open cannot be written to, though another has its name again. */
static void forget_removed(struct helper_state *state)
{
    struct stat status;
    if (state->folder < 0 || (fstat(state->folder, &status) == 0 && status.st_nlink > 0))
        return;
    close(state->folder);
    state->folder = -1;
}

bool helper_state_open(struct helper_state *state, char const *name)
{
    if (!privilege_find(&state->user, name))
        return false;
    forget_removed(state);
    return state->folder >= 0 || open_folder(state);
}

bool helper_state_look(struct helper_state *state, char const *name)
{
    if (!privilege_find(&state->user, name))
        return false;
    if (state->folder < 0)
        state->folder = open(state->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return true;
}
