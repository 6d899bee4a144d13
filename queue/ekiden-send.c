/* ekiden-send: the scheduler. Takes mail from the queue, gives it to the delivery agents, and says
 * by notes, marks, renames and removals what became of it. It holds no message bytes and, once it
 * has started, no privilege. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>
#include <skalibs/types.h>

#include "configured.h"
#include "lib/accounts.h"
#include "lib/log.h"
#include "lib/privilege.h"
#include "lib/sandbox.h"
#include "queue/queue_layout.h"
#include "queue/reasons.h"
#include "queue/send.h"
#include "queue/send_fence.h"
#include "queue/send_loop.h"
#include "queue/send_operate.h"
#include "queue/send_start.h"

#define USAGE                                                                                      \
    "ekiden-send [ -C control ] [ -Q queue ] [ -M mailroot ] [ -i inject ] [ -n workers ] "        \
    "[ -x programs ]"
#define WORKERS_DEFAULT         2
#define LOCK_TRIES              100
#define LOCK_PAUSE_MILLISECONDS 10

enum { PERMANENT = 100, TEMPORARY = 111 };

struct options {
    char const *control, *queue, *mail, *inject, *programs;
    unsigned int workers;
};

static _Noreturn void die(int code, char const *what, char const *name, int number)
{
    struct log_line line;
    log_begin(&line, "not-started");
    log_text(&line, "what", what);
    if (name)
        log_text(&line, "name", name);
    if (number)
        log_errno(&line, number);
    log_write(&line);
    exit(code);
}

static struct options read_options(int argc, char const *const *argv)
{
    struct options options = {.control = CONFIGURED_CONTROL,
                              .queue = CONFIGURED_QUEUE,
                              .mail = CONFIGURED_MAIL,
                              .inject = CONFIGURED_INJECT,
                              .workers = WORKERS_DEFAULT};
    subgetopt state = SUBGETOPT_ZERO;
    for (int option; (option = subgetopt_r(argc, argv, "C:Q:M:i:n:x:", &state)) >= 0;)
        switch (option) {
        case 'C':
            options.control = state.arg;
            break;
        case 'Q':
            options.queue = state.arg;
            break;
        case 'M':
            options.mail = state.arg;
            break;
        case 'i':
            options.inject = state.arg;
            break;
        case 'x':
            options.programs = state.arg;
            break;
        case 'n':
            if (!uint0_scan(state.arg, &options.workers) || !options.workers ||
                options.workers > SEND_AGENTS_LOCAL_MAX)
                die(PERMANENT, "expected a number of workers from 1 to 16", state.arg, 0);
            break;
        default:
            die(PERMANENT, "usage: " USAGE, NULL, 0);
        }
    if (state.ind < argc)
        die(PERMANENT, "usage: " USAGE, NULL, 0);
    return options;
}

static int open_folder(char const *path, char const *what)
{
    int const descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        die(TEMPORARY, what, path, errno);
    return descriptor;
}

/* False: errno. `ekiden queue` has it for a moment at a time while nobody else does. */
static bool take_lock(int lock)
{
    struct timespec const pause = {.tv_nsec = LOCK_PAUSE_MILLISECONDS * 1000000L};
    for (unsigned int i = 0; i < LOCK_TRIES; i++) {
        if (flock(lock, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK)
            return false;
        nanosleep(&pause, NULL);
    }
    errno = EWOULDBLOCK;
    return false;
}

/* Held until this process ends, however it ends. */
static void lock_queue(int queue, char const *path)
{
    int const lock = openat(queue, "lock", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (lock < 0)
        die(TEMPORARY, "cannot open the queue's lock", path, errno);
    if (!take_lock(lock))
        die(TEMPORARY,
            errno == EWOULDBLOCK ? "another ekiden-send runs on this queue; end it first"
                                 : "cannot lock the queue",
            path, errno == EWOULDBLOCK ? 0 : errno);
}

static void start_agents(struct send *send, struct options const *options, int mail,
                         struct privilege_user const *injector)
{
    struct send_start start = {.control = options->control,
                               .inject = options->inject,
                               .programs = options->programs,
                               .workers = options->workers,
                               .mail = mail,
                               .injector = *injector};
    if (!privilege_find(&start.local, CONFIGURED_USER_LOCAL) ||
        !privilege_find(&start.remote, CONFIGURED_USER_REMOTE))
        exit(PERMANENT);
    if (!send_start_agents(send, &start))
        exit(TEMPORARY);
}

static void load_settings(struct send *send)
{
    struct control_error error;
    if (send_settings_load(&send->settings, &send->control, &error) == CONTROL_ERROR)
        die(PERMANENT, error.text, NULL, 0);
}

/* Without it mail is delivered all the same. */
static int open_reasons(int queue)
{
    int const file = reasons_open(queue, true);
    if (file < 0)
        log_failure("reasons-not-kept",
                    "the file `reasons` of the queue: `ekiden queue show` cannot say why mail was "
                    "put off",
                    errno);
    return file;
}

static void watch_settings(struct send *send)
{
    if (!control_watch_start(&send->watch, &send->control))
        log_failure("not-watched", "changed control files are noticed on SIGHUP only", errno);
    control_watch_also(&send->watch, ACCOUNTS_FOLDER, ACCOUNTS_FILE);
}

static void log_started(struct options const *options)
{
    struct log_line line;
    log_begin(&line, "started");
    log_text(&line, "queue", options->queue);
    log_number(&line, "workers", options->workers);
    log_write(&line);
}

int main(int argc, char const *const *argv)
{
    static struct send send;
    struct privilege_user scheduler, injector;
    struct control_error error;
    int signals;
    log_start("ekiden-send");
    struct options const options = read_options(argc, argv);
    umask(007);
    closefrom(3); /* what was inherited would go on to the agents */

    /* As root, when it is: descriptors of all that is used later. */
    send.queue = open_folder(options.queue, "cannot open the queue");
    int const mail = open_folder(options.mail, "cannot open the folder of the mailboxes");
    int const accounts = open_folder(ACCOUNTS_FOLDER, "cannot open the folder of the accounts");
    if (control_open(&send.control, options.control, &error) == CONTROL_ERROR)
        die(TEMPORARY, error.text, NULL, 0);
    if (!privilege_find(&scheduler, CONFIGURED_USER_SCHEDULER) ||
        !privilege_find(&injector, CONFIGURED_USER_INJECTOR))
        return PERMANENT;
    if (!queue_layout_make(send.queue, &scheduler, &injector))
        return TEMPORARY;
    lock_queue(send.queue, options.queue);
    watch_settings(&send);
    start_agents(&send, &options, mail, &injector);
    close(mail);

    /* From here on as the scheduler, whose group is the one that queue files belong to. */
    scheduler.gid = injector.gid;
    privilege_drop(&scheduler, NULL);
    signal(SIGPIPE, SIG_IGN);
    load_settings(&send);
    send.count.shared = queue_count_use(send.queue);
    send.reasons = open_reasons(send.queue);
    send_active_start(&send.active);
    send_jobs_start(&send.jobs);
    send_destinations_start(&send.destinations);
    send_backlog_start(&send.backlog, send.active.in_slot, send.source.wheel.again);
    send.settings_serial = 1; /* that of an empty window is 0 */
    if (getrandom(&send.destinations_key, sizeof send.destinations_key, 0) < 0)
        die(TEMPORARY, "getrandom", NULL, errno);
    if (!send_source_start(&send.source, send.queue, send_now(), send_clock()) ||
        !send_loop_signals(&signals))
        return TEMPORARY;
    send_control_start(&send.control_socket, send.queue);
    send_fence(send.queue, send.control.directory, accounts);
    log_started(&options);
    send_operate_on_asked(&send);
    return send_loop(&send, signals);
}
