#include "queue/send_start.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "configured.h"
#include "lib/log.h"
#include "tls/tls_holder.h"

#define DESCRIPTOR_TEXT "3"  /* SEND_AGENT_DESCRIPTOR */
#define CONTROL_TEXT    "4:" /* SEND_AGENT_CONTROL: its user may have no way to the path */

#define REMOTE_WITHOUT_TLS 4 /* arguments of ekiden-remote */

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

/* The descriptor by which ekiden-remote asks for TLS; -1 where that is not installed. */
static bool start_tls(struct send *send, struct paths const *paths, int *requests)
{
    char path[PATH_MAX];
    struct tls_holder holder;
    if (snprintf(path, sizeof path, "%s/ekiden-tls", paths->programs) >= PATH_MAX)
        return fail("the path is too long", paths->programs, 0);
    *requests = -1;
    switch (tls_holder_start(&holder, path, &send->control)) {
    case TLS_HOLDER_STARTED:
        send->tls = holder.pid;
        *requests = holder.requests;
        return true;
    case TLS_HOLDER_ABSENT:
        return true;
    case TLS_HOLDER_FAILED:
        break;
    }
    return false;
}

bool send_start_agents(struct send *send, struct send_start const *start)
{
    static struct paths paths;
    char const *const local[] = {"ekiden-local",  "-C", paths.control, "-m",
                                 DESCRIPTOR_TEXT, "-i", paths.inject,  NULL};
    char const *const launch[] = {"ekiden-launch", "-C", paths.control,  "-i",
                                  paths.inject,    "-x", paths.programs, NULL};
    char const *remote[] = {"ekiden-remote", "-C", paths.control, "-a", "-T",
                            DESCRIPTOR_TEXT, NULL};
    char const *const bounce[] = {"ekiden-bounce", "-C", paths.control, "-q",
                                  DESCRIPTOR_TEXT, NULL};
    enum { LOCAL, LAUNCH, REMOTE, BOUNCE };
    struct send_agent_start kinds[] = {
        [LOCAL] = {SEND_AGENT_LOCAL, NULL, local, &start->local, start->mail,
                   send->control.directory},
        [LAUNCH] = {SEND_AGENT_LAUNCH, NULL, launch, NULL, -1, send->control.directory},
        [REMOTE] = {SEND_AGENT_REMOTE, NULL, remote, &start->remote, -1, send->control.directory},
        [BOUNCE] = {SEND_AGENT_BOUNCE, NULL, bounce, &start->injector, send->queue,
                    send->control.directory}};
    int requests;
    if (!find_paths(&paths, start) || !start_tls(send, &paths, &requests))
        return false;
    kinds[REMOTE].inherited = requests;
    if (requests < 0)
        remote[REMOTE_WITHOUT_TLS] = NULL;
    for (unsigned int i = 1; i < start->workers; i++)
        if (!start_agent(send, &paths, *local, kinds))
            return false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!start_agent(send, &paths, *kinds[i].arguments, kinds + i))
            return false;
    if (requests >= 0)
        close(requests); /* its end is what ends the TLS service */
    return true;
}
