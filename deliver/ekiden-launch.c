/* ekiden-launch: delivers to system users, each under his own uid. See ekiden-launch(8). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>

#include "configured.h"
#include "deliver/launch_loop.h"
#include "lib/log.h"
#include "queue/inject_client.h"

#define USAGE       "usage: ekiden-launch [-C CONTROL] [-i INJECT] [-x PROGRAMS]"
#define DESCRIPTORS (LAUNCH_JOBS_MAX + 3 * LAUNCH_USERS_AT_ONCE + 50)

struct options {
    char const *control, *inject, *programs;
};

static int usage(void)
{
    log_failure("usage", USAGE, 0);
    return 100;
}

static bool parse_options(struct options *options, int argc, char const *const *argv)
{
    subgetopt state = SUBGETOPT_ZERO;
    state.prog = "ekiden-launch";
    *options = (struct options){.control = CONFIGURED_CONTROL,
                                .inject = inject_client_path(NULL),
                                .programs = CONFIGURED_LIBEXEC};
    for (;;) {
        switch (subgetopt_r(argc, argv, "C:i:x:", &state)) {
        case -1:
            return state.ind == argc;
        case 'C':
            options->control = state.arg;
            break;
        case 'i':
            options->inject = state.arg;
            break;
        case 'x':
            options->programs = state.arg;
            break;
        default:
            return false;
        }
    }
}

static bool open_program(struct launch_program *program, struct options const *options)
{
    char path[PATH_MAX];
    int const length = snprintf(path, sizeof path, "%s/ekiden-dotqmail", options->programs);
    *program = (struct launch_program){.descriptor = -1, .inject = options->inject};
    if (length > 0 && (size_t)length < sizeof path)
        program->descriptor = open(path, O_PATH | O_CLOEXEC);
    else
        errno = ENAMETOOLONG;
    if (program->descriptor >= 0)
        return true;
    log_failure("not-started", path, errno);
    return false;
}

/* Each job in hand has a queue file open. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= DESCRIPTORS)
        return;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static bool load_settings(struct launch *launch, struct control *control,
                          struct control_watch *watch, char const *path)
{
    struct control_error error;
    struct log_line line;
    if (control_open(control, path, &error) == CONTROL_OK) {
        if (!control_watch_start(watch, control))
            log_failure("settings-not-watched", path, errno);
        if (launch_settings_load(&launch->settings, control, &error) != CONTROL_ERROR)
            return true;
    }
    log_begin(&line, "not-started");
    log_text(&line, "error", error.text);
    log_write(&line);
    return false;
}

int main(int argc, char const *const *argv)
{
    static struct launch launch; /* its buffers are large, and there is one a process */
    struct options options;
    struct control control;
    struct control_watch watch;
    log_start("ekiden-launch");
    if (!parse_options(&options, argc, argv))
        return usage();
    if (!open_program(&launch.program, &options))
        return 111;
    launch_child_restrict();
    if (!load_settings(&launch, &control, &watch, options.control))
        return 111;
    raise_descriptors();
    if (chdir("/") != 0) /* nobody's folder stays in use */
        log_failure("not-started", "/", errno);
    int const exit_code = launch_loop(&launch, 0, &control, &watch);
    launch_settings_free(&launch.settings);
    control_close(&control);
    return exit_code;
}
