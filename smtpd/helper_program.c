#include "smtpd/helper_program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/process.h"
#include "lib/program_path.h"
#include "smtpd/helper_rows.h"

#define ABOVE_ALL 16 /* no descriptor of a helper has such a number */

void helper_program_use(struct helper_means *means, struct settings const *settings)
{
    if (means->judge_image >= 0)
        close(means->judge_image);
    means->judge_image = -1;
    means->settings = settings;
}

static void close_ends(int const *ends, unsigned int count)
{
    for (unsigned int i = 0; i < count; i++)
        close(ends[i]);
}

static bool make_channel(enum helper_channel_kind kind, int *theirs, int *ours)
{
    int ends[2];
    bool const made = kind == HELPER_SOCKET
                          ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0
                          : pipe2(ends, O_CLOEXEC) == 0;
    *theirs = made ? ends[kind == HELPER_PIPE_WRITTEN] : -1;
    *ours = made ? ends[kind != HELPER_PIPE_WRITTEN] : -1;
    return made;
}

/* False: nothing stays open. */
static bool make_channels(struct helper_row const *row, int reply, int *theirs,
                          struct helper_channels *channels)
{
    channels->direct = row->direct;
    channels->grace = row->grace;
    channels->count = row->direct ? 0 : row->count;
    if (row->direct)
        theirs[0] = reply;
    for (unsigned int i = 0; i < channels->count; i++)
        if (!make_channel(row->channels[i].kind, theirs + i, channels->ends + i)) {
            close_ends(theirs, i);
            close_ends(channels->ends, i);
            return false;
        }
    return true;
}

static bool lift(int *to, int descriptor)
{
    *to = fcntl(descriptor, F_DUPFD_CLOEXEC, ABOVE_ALL);
    return *to >= 0;
}

/* Everything out of the way first: one may have the number that another is to have. */
static bool place_channels(struct helper_row const *row, struct helper_start *start, int *theirs)
{
    if (row->folders && !lift(&start->control, start->means->control->directory))
        return false;
    if (start->state && start->state->folder >= 0 &&
        !lift(&start->state_folder, start->state->folder))
        return false;
    if (start->image >= 0 && !lift(&start->image, start->image))
        return false;
    for (unsigned int i = 0; i < row->count; i++)
        if (!lift(theirs + i, theirs[i]))
            return false;
    for (unsigned int i = 0; i < row->count; i++)
        if (dup2(theirs[i], row->channels[i].number) < 0)
            return false;
    return true;
}

_Noreturn static void run(struct helper_row const *row, struct helper_start *start,
                          struct privilege_user const *user, int *theirs, pid_t parent)
{
    sigset_t none;
    signal(SIGTERM, SIG_DFL); /* one that waits already is not to be lost */
    start->near = row->folders ? program_approach(start->path.s) : start->path.s;
    privilege_drop(user, NULL);
    process_end_with(parent);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_DFL);
    if (start->near && place_channels(row, start, theirs))
        row->execute(start);
    log_failure("helper-not-started", start->path.s, errno);
    _exit(HELPER_EXIT_TEMPORARY);
}

pid_t helper_program_start(struct helper_means *means, char const *request, size_t length,
                           int reply, struct helper_channels *channels)
{
    int theirs[HELPER_CHANNELS_MAX];
    struct helper_start start = {
        .means = means, .request = request, .path = STRALLOC_ZERO, .state_folder = -1, .image = -1};
    struct helper_row const *const row = helper_row_find(request, length);
    struct privilege_user const *const user = row ? row->prepare(means, &start) : NULL;
    pid_t const parent = getpid();
    pid_t pid = -1;
    if (user && make_channels(row, reply, theirs, channels)) {
        pid = process_fork("smtpd-helper");
        if (pid == 0)
            run(row, &start, user, theirs, parent);
        close_ends(theirs, channels->count);
        if (pid < 0)
            close_ends(channels->ends, channels->count);
    } else if (user) {
        log_failure("helper-not-started", start.path.s, errno);
    }
    stralloc_free(&start.path);
    return pid;
}
