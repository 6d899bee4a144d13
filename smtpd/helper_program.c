#include "smtpd/helper_program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <skalibs/ip46.h>
#include <skalibs/types.h>

#include "configured.h"
#include "lib/log.h"
#include "lib/process.h"
#include "lib/program_path.h"

#define QUESTION_FD    0
#define PASSWORD_FD    3
#define CONTROL_FD     4
#define STATE_FD       5
#define CUSTOM_TEXT_FD 6
#define ABOVE_ALL      16 /* no descriptor of a helper has such a number */

extern char **environ;

/* Why a stream socket: unlike a pipe it tells the dialogue whether the helper has read to the end.
 */
enum channel_kind { PIPE_READ, PIPE_WRITTEN, SOCKET };

struct channel {
    int number; /* of the helper's descriptor */
    enum channel_kind kind;
};

struct start {
    struct helper_means const *means;
    char const *request;
    stralloc path;              /* of the program */
    char const *near;           /* the same from where its user can reach it */
    struct helper_state *state; /* NULL: it remembers nothing */
    int control, state_folder;  /* the folders, under numbers out of the way; -1: none */
};

struct row {
    char kind;
    size_t length; /* of the request */
    bool direct;   /* smtpd/helper.h */
    unsigned int count;
    struct channel channels[HELPER_CHANNELS_MAX];
    bool folders; /* it is one of ours, and gets the control folder, and its own where it has one */
    struct privilege_user const *(*prepare)(struct helper_means *means, struct start *start);
    void (*execute)(struct start const *start);
};

/* --- settings.queueprogram --- */

static struct privilege_user const *prepare_queue(struct helper_means *means, struct start *start)
{
    char const *const program = means->settings->queueprogram;
    return program && stralloc_copys(&start->path, program) && stralloc_0(&start->path)
               ? &means->injector
               : NULL;
}

static void execute_queue(struct start const *start)
{
    char *const arguments[] = {start->path.s, NULL};
    execve(start->path.s, arguments, environ);
}

/* --- ekiden-auth --- */

static struct privilege_user const *prepare_auth(struct helper_means *means, struct start *start)
{
    start->state = &means->auth;
    return helper_state_open(&means->auth, CONFIGURED_USER_AUTH) &&
                   program_path(&start->path, "ekiden-auth")
               ? &means->auth.user
               : NULL;
}

static bool place(int descriptor, int number)
{
    return descriptor >= 0 ? dup2(descriptor, number) == number
                           : close(number) == 0 || errno == EBADF;
}

/* Moves control folder and state folder to their numbers, and leaves nothing else open but the
 * channel, which is CHANNEL, and the log. */
static bool place_folders(struct start const *start, int channel)
{
    int const nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    return nothing >= 0 && (channel == 0 || place(nothing, 0)) && place(nothing, 1) &&
           (channel == PASSWORD_FD || place(-1, PASSWORD_FD)) &&
           place(start->control, CONTROL_FD) && place(start->state_folder, STATE_FD) &&
           close_range(STATE_FD + 1, ~0u, 0) == 0;
}

static void format_address(char *text, char const address[HELPER_ADDRESS_SIZE])
{
    ip46 ip;
    if (address[0])
        ip46_from_ip6(&ip, address + 1);
    else
        ip46_from_ip4(&ip, address + 1);
    text[ip46_fmt(text, &ip)] = 0;
}

/* NUMBER:PATH, as lib/control.h has it. */
static char *name_folder(int number, char const *path)
{
    char *text;
    return asprintf(&text, "%d:%s", number, path) < 0 ? NULL : text;
}

/* Becomes one of our programs, with its folders, OPTION (or NULL) and VARIABLE of the environment
 * (or NULL). */
static void execute_ours(struct start const *start, int channel, char *option, char *variable)
{
    char *const control = name_folder(CONTROL_FD, start->means->control->path);
    char *const state = !start->state             ? NULL
                        : start->state_folder < 0 ? (char *)start->state->path
                                                  : name_folder(STATE_FD, start->state->path);
    char *arguments[7] = {(char *)start->near, "-C", control};
    char *environment[4] = {"PATH=/usr/local/bin:/usr/bin:/bin", variable};
    size_t count = 3;
    if (start->state) {
        arguments[count++] = "-S";
        arguments[count++] = state;
    }
    arguments[count] = option;
#ifdef EKIDEN_SANITIZE
    char options[4096];
    if (getenv("ASAN_OPTIONS")) {
        snprintf(options, sizeof options, "ASAN_OPTIONS=%s", getenv("ASAN_OPTIONS"));
        environment[variable ? 2 : 1] = options;
    }
#endif
    if (control && (state || !start->state) && place_folders(start, channel))
        execve(start->near, arguments, environment);
}

static void execute_auth(struct start const *start)
{
    char remote[sizeof "TCPREMOTEIP=" + IP46_FMT] = "TCPREMOTEIP=";
    format_address(remote + strlen(remote), start->request + 1);
    execute_ours(start, PASSWORD_FD, NULL, remote);
}

static void execute_budget(struct start const *start)
{
    execute_ours(start, PASSWORD_FD, "-b", NULL);
}

/* --- ekiden-judge and ekiden-spf --- */

static struct privilege_user const *prepare_judge(struct helper_means *means, struct start *start)
{
    bool const ready = means->aside ? helper_state_look(&means->judge, CONFIGURED_USER_JUDGE)
                                    : helper_state_open(&means->judge, CONFIGURED_USER_JUDGE);
    start->state = &means->judge;
    return ready && program_path(&start->path, "ekiden-judge") ? &means->judge.user : NULL;
}

static struct privilege_user const *prepare_spf(struct helper_means *means, struct start *start)
{
    return privilege_find(&means->spf, CONFIGURED_USER_SPF) &&
                   program_path(&start->path, "ekiden-spf")
               ? &means->spf
               : NULL;
}

static void execute_judge(struct start const *start)
{
    execute_ours(start, QUESTION_FD, start->means->aside ? "-n" : NULL, NULL);
}

static void execute_question(struct start const *start)
{
    execute_ours(start, QUESTION_FD, NULL, NULL);
}

/* --- all of them --- */

static struct row const rows[] = {
    {.kind = HELPER_QUEUE,
     .length = 1,
     .count = 3,
     .channels = {{0, PIPE_READ}, {1, PIPE_READ}, {CUSTOM_TEXT_FD, PIPE_WRITTEN}},
     .prepare = prepare_queue,
     .execute = execute_queue},
    {.kind = HELPER_AUTH,
     .length = 1 + HELPER_ADDRESS_SIZE,
     .count = 1,
     .channels = {{PASSWORD_FD, SOCKET}},
     .folders = true,
     .prepare = prepare_auth,
     .execute = execute_auth},
    {.kind = HELPER_BUDGET,
     .length = 1,
     .count = 1,
     .channels = {{PASSWORD_FD, SOCKET}},
     .folders = true,
     .prepare = prepare_auth,
     .execute = execute_budget},
    {.kind = HELPER_JUDGE,
     .length = 1,
     .direct = true,
     .count = 1,
     .channels = {{QUESTION_FD, SOCKET}},
     .folders = true,
     .prepare = prepare_judge,
     .execute = execute_judge},
    {.kind = HELPER_SPF,
     .length = 1,
     .direct = true,
     .count = 1,
     .channels = {{QUESTION_FD, SOCKET}},
     .folders = true,
     .prepare = prepare_spf,
     .execute = execute_question},
};

static struct row const *find_row(char const *request, size_t length)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (length == rows[i].length && request[0] == rows[i].kind)
            return rows + i;
    return NULL;
}

static void close_ends(int const *ends, unsigned int count)
{
    for (unsigned int i = 0; i < count; i++)
        close(ends[i]);
}

static bool make_channel(enum channel_kind kind, int *theirs, int *ours)
{
    int ends[2];
    bool const made = kind == SOCKET ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0
                                     : pipe2(ends, O_CLOEXEC) == 0;
    *theirs = made ? ends[kind == PIPE_WRITTEN] : -1;
    *ours = made ? ends[kind != PIPE_WRITTEN] : -1;
    return made;
}

/* False: nothing stays open. */
static bool make_channels(struct row const *row, int reply, int *theirs,
                          struct helper_channels *channels)
{
    channels->direct = row->direct;
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
static bool place_channels(struct row const *row, struct start *start, int *theirs)
{
    if (row->folders && !lift(&start->control, start->means->control->directory))
        return false;
    if (start->state && start->state->folder >= 0 &&
        !lift(&start->state_folder, start->state->folder))
        return false;
    for (unsigned int i = 0; i < row->count; i++)
        if (!lift(theirs + i, theirs[i]))
            return false;
    for (unsigned int i = 0; i < row->count; i++)
        if (dup2(theirs[i], row->channels[i].number) < 0)
            return false;
    return true;
}

_Noreturn static void run(struct row const *row, struct start *start,
                          struct privilege_user const *user, int *theirs, pid_t parent)
{
    sigset_t none;
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
    struct start start = {
        .means = means, .request = request, .path = STRALLOC_ZERO, .state_folder = -1};
    struct row const *const row = find_row(request, length);
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
