#include "queue/send_start.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "configured.h"
#include "lib/log.h"

#define DESCRIPTOR_TEXT "3"  /* SEND_AGENT_DESCRIPTOR */
#define CONTROL_TEXT    "4:" /* SEND_AGENT_CONTROL: its user may have no way to the path */

struct paths {
    char programs[PATH_MAX], inject[PATH_MAX], control[sizeof CONTROL_TEXT + PATH_MAX];
};

static bool fail(char const *what, char const *name, int number)
{
    struct log_line line;
    log_begin(&line, "not-started");
    log_text(&line, "what", what);
    log_text(&line, "name", name);
    if (number)
        log_errno(&line, number);
    log_write(&line);
    return false;
}

/* An agent is started in the folder of the programs: a relative path means something else there. */
static bool make_absolute(char absolute[PATH_MAX], char const *path)
{
    char current[PATH_MAX] = "";
    if (*path != '/' && !getcwd(current, sizeof current))
        return fail("the current folder", path, errno);
    int const length = snprintf(absolute, PATH_MAX, *path == '/' ? "%s%s" : "%s/%s", current, path);
    return length < PATH_MAX || fail("the path is too long", path, 0);
}

/* The folder that this program lies in, as in a build folder, when the agents are there too. */
static bool find_own_folder(char folder[PATH_MAX])
{
    char probe[PATH_MAX];
    ssize_t const length = readlink("/proc/self/exe", folder, PATH_MAX);
    if (length <= 0 || length >= PATH_MAX)
        return false;
    folder[length] = 0;
    char *const slash = strrchr(folder, '/');
    if (!slash)
        return false;
    *slash = 0;
    return snprintf(probe, sizeof probe, "%s/ekiden-local", folder) < PATH_MAX &&
           access(probe, X_OK) == 0;
}

static bool find_paths(struct paths *paths, struct send_start const *start)
{
    if (start->programs ? !make_absolute(paths->programs, start->programs)
                        : !find_own_folder(paths->programs) &&
                              !make_absolute(paths->programs, CONFIGURED_LIBEXEC))
        return false;
    memcpy(paths->control, CONTROL_TEXT, sizeof CONTROL_TEXT);
    return make_absolute(paths->control + strlen(CONTROL_TEXT), start->control) &&
           make_absolute(paths->inject, start->inject);
}

static bool start_agent(struct send *send, struct paths const *paths, char const *name,
                        struct send_agent_start *start)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", paths->programs, name) >= PATH_MAX)
        return fail("the path is too long", paths->programs, 0);
    if (access(path, X_OK) != 0)
        return fail("cannot execute an agent; install it, or name the folder of all of them by -x",
                    path, errno);
    start->path = path;
    return send_agent_start(send->agents + send->agent_count, start) && ++send->agent_count;
}

bool send_start_agents(struct send *send, struct send_start const *start)
{
    static struct paths paths;
    char const *const local[] = {"ekiden-local",  "-C", paths.control, "-m",
                                 DESCRIPTOR_TEXT, "-i", paths.inject,  NULL};
    char const *const launch[] = {"ekiden-launch", "-C", paths.control,  "-i",
                                  paths.inject,    "-x", paths.programs, NULL};
    char const *const remote[] = {"ekiden-remote", "-C", paths.control, "-a", NULL};
    char const *const bounce[] = {"ekiden-bounce", "-C", paths.control, "-q",
                                  DESCRIPTOR_TEXT, NULL};
    struct send_agent_start kinds[] = {
        {SEND_AGENT_LOCAL, NULL, local, &start->local, start->mail, send->control.directory},
        {SEND_AGENT_LAUNCH, NULL, launch, NULL, -1, send->control.directory},
        {SEND_AGENT_REMOTE, NULL, remote, &start->remote, -1, send->control.directory},
        {SEND_AGENT_BOUNCE, NULL, bounce, &start->injector, send->queue, send->control.directory}};
    if (!find_paths(&paths, start))
        return false;
    for (unsigned int i = 1; i < start->workers; i++)
        if (!start_agent(send, &paths, *local, kinds))
            return false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!start_agent(send, &paths, *kinds[i].arguments, kinds + i))
            return false;
    return true;
}
