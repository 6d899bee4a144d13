/* ekiden-bounce: reports to senders what became of their mail. See ekiden-bounce(8).
 *
 * The scheduler's orders come on fd 0 (queue/report_job.h), each is done and answered before the
 * next one is looked at. A report that is answered is durable in the queue. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <skalibs/djbunix.h>
#include <skalibs/selfpipe.h>
#include <skalibs/sgetopt.h>
#include <skalibs/types.h>

#include "configured.h"
#include "deliver/agent_link.h"
#include "lib/control_watch.h"
#include "lib/log.h"
#include "lib/privilege.h"
#include "lib/sandbox.h"
#include "lib/signals.h"
#include "queue/bounce.h"
#include "queue/wake.h"

#define USAGE "usage: ekiden-bounce [-C CONTROL] -q DESCRIPTOR"

/* The head of the largest message, its recipients, and what is small. */
#define MEMORY_MAX                                                                                 \
    ((uint64_t)ENVELOPE_BYTES_MAX +                                                                \
     (uint64_t)ENVELOPE_RECIPIENTS_MAX * sizeof(struct queue_recipient) + (32u << 20))
#define DESCRIPTORS_MAX 64

enum { STOPPED = 0, PERMANENT = 100, TEMPORARY = 111 };

struct options {
    char const *control;
    unsigned int queue; /* descriptor */
};

struct agent {
    struct bounce bounce;
    struct control control;
    struct control_watch watch;
    struct agent_link link;
    int signals;
    bool ending;
    int exit_code;
};

static bool parse_options(struct options *options, int argc, char const *const *argv)
{
    subgetopt state = SUBGETOPT_ZERO;
    bool queue = false;
    state.prog = "ekiden-bounce";
    *options = (struct options){.control = CONFIGURED_CONTROL};
    for (int option; (option = subgetopt_r(argc, argv, "C:q:", &state)) >= 0;) {
        if (option == 'C')
            options->control = state.arg;
        else if (option == 'q' && uint0_scan(state.arg, &options->queue) &&
                 options->queue <= INT_MAX)
            queue = true;
        else
            return false;
    }
    return queue && state.ind == argc;
}

static bool open_queue(struct bounce *bounce, int queue)
{
    bounce->folder = openat(queue, "new", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (bounce->folder < 0 || coe(queue) < 0) {
        log_failure("queue-not-opened", "the folder new of the queue that was inherited", errno);
        return false;
    }
    bounce->wake = wake_open(queue);
    bounce->count = queue_count_use(queue);
    bounce->file.descriptor = -1;
    return true;
}

static bool load_settings(struct agent *agent, char const *path)
{
    struct control_error error;
    bool loaded = control_open(&agent->control, path, &error) == CONTROL_OK;
    /* Watched first: a file that changes while it is loaded is loaded again. */
    if (loaded && !control_watch_start(&agent->watch, &agent->control))
        log_failure("not-watched", "changed control files are noticed at the next start", errno);
    loaded = loaded &&
             bounce_settings_load(&agent->bounce.settings, &agent->control, &error) == CONTROL_OK;
    if (!loaded)
        log_failure("settings-not-loaded", error.text, 0);
    return loaded;
}

static void reload_settings(struct agent *agent)
{
    struct control_error error;
    struct bounce_settings fresh = {.me = NULL};
    enum control_result const result = bounce_settings_load(&fresh, &agent->control, &error);
    if (!control_watch_is_settled(&agent->watch)) {
        bounce_settings_free(&fresh);
        return;
    }
    if (result == CONTROL_OK) {
        bounce_settings_free(&agent->bounce.settings);
        agent->bounce.settings = fresh;
    }
    control_watch_log(result == CONTROL_OK, &error);
}

static bool trap_signals(struct agent *agent)
{
    agent->signals = signals_trap_ends();
    return agent->signals >= 0;
}

static void enter_sandbox(int queue, int control)
{
    static int const calls[] = {
        /* the loop and its link */
        SYS_ppoll,
        SYS_recvmsg,
        SYS_sendmsg,
        SYS_read,
        SYS_write,
        SYS_signalfd4,
        SYS_rt_sigaction,
        SYS_rt_sigprocmask,
        SYS_rt_sigreturn,
        SYS_restart_syscall,
        SYS_exit_group,
        /* queue and control files */
        SYS_openat,
        SYS_close,
        SYS_fstat,
        SYS_newfstatat,
        SYS_pread64,
        SYS_readv,
        SYS_writev,
        SYS_fsync,
        SYS_fchmod,
        SYS_ftruncate,
        SYS_unlinkat,
        SYS_flock,
        SYS_fcntl,
        SYS_lseek,
        /* names, dates, memory */
        SYS_getrandom,
        SYS_uname,
        SYS_clock_gettime,
        SYS_gettimeofday,
        SYS_brk,
        SYS_mmap,
        SYS_munmap,
        SYS_mremap,
#ifdef SYS_poll
        SYS_poll,
#endif
#ifdef SYS_time
        SYS_time,
#endif
    };
    struct sandbox_limits const limits = {.memory = MEMORY_MAX,
                                          .descriptors = DESCRIPTORS_MAX,
                                          .file_size = UINT64_MAX,
                                          .processes = 0};
    struct sandbox_path const paths[] = {
        {.directory = queue, .access = SANDBOX_READ | SANDBOX_WRITE},
        {.directory = control, .access = SANDBOX_READ}};
    sandbox_limit(&limits);
    sandbox_allow_paths(paths, sizeof paths / sizeof *paths);
    sandbox_allow_calls(calls, sizeof calls / sizeof *calls);
}

static void end(struct agent *agent, int exit_code)
{
    agent->ending = true;
    if (exit_code > agent->exit_code)
        agent->exit_code = exit_code;
}

/* An order that is not understood gets no answer but the agent's end: its scheduler is another
 * program than this one was made for. */
static void serve_job(struct agent *agent, unixmessage const *message)
{
    struct report_job job;
    struct failure answer;
    if (message->nfds == 2 && report_job_parse(&job, message->s, message->len)) {
        bounce_serve(&agent->bounce, &job, message->fds[0], message->fds[1], &answer);
        if (!agent_link_answer(&agent->link, &(struct job_answer){.number = job.number,
                                                                  .result = answer.result,
                                                                  .text = answer.text}))
            end(agent, TEMPORARY);
    } else {
        log_failure("agent-ends", "the scheduler sent something that is no order to report", 0);
        end(agent, TEMPORARY);
    }
    unixmessage_drop(message);
}

static void heed(struct agent *agent, enum agent_link_result result)
{
    if (result == AGENT_LINK_END)
        end(agent, STOPPED);
    else if (result == AGENT_LINK_FAILED)
        end(agent, TEMPORARY);
}

/* One order, when one waits: between two there is time for a signal and for new settings. */
static void serve_link(struct agent *agent)
{
    unixmessage message;
    enum agent_link_result const result = agent_link_receive(&agent->link, &message);
    if (result == AGENT_LINK_JOB)
        serve_job(agent, &message);
    heed(agent, result);
    heed(agent, agent_link_flush(&agent->link));
}

static void serve(struct agent *agent)
{
    enum { JOBS, SIGNALS, SETTINGS, COUNT };
    while (!agent->ending) {
        bool const ready = agent_link_has_job(&agent->link);
        struct pollfd polled[COUNT] = {
            [JOBS] = {.fd = agent_link_descriptor(&agent->link), .events = POLLIN},
            [SIGNALS] = {.fd = agent->signals, .events = POLLIN},
            [SETTINGS] = {.fd = agent->watch.descriptor, .events = POLLIN}};
        int const count = poll(polled, COUNT, ready ? 0 : control_watch_wait(&agent->watch));
        if (count < 0 && errno != EINTR) {
            log_failure("agent-ends", "poll", errno);
            end(agent, TEMPORARY);
        }
        if (count > 0 && polled[SIGNALS].revents && selfpipe_read() > 0)
            end(agent, STOPPED);
        if (((count > 0 && polled[SETTINGS].revents) || control_watch_wait(&agent->watch) == 0) &&
            control_watch_check(&agent->watch))
            reload_settings(agent);
        if (!agent->ending && (ready || (count > 0 && polled[JOBS].revents)))
            serve_link(agent);
    }
}

int main(int argc, char const *const *argv)
{
    static struct agent agent; /* its buffers are large, and there is one a process */
    struct options options;
    log_start("ekiden-bounce");
    privilege_refuse_root();
    if (!parse_options(&options, argc, argv)) {
        log_failure("usage", USAGE, 0);
        return PERMANENT;
    }
    umask(007);
    int const queue = (int)options.queue;
    if (!load_settings(&agent, options.control))
        return PERMANENT;
    if (!open_queue(&agent.bounce, queue) || !trap_signals(&agent) ||
        !agent_link_start(&agent.link, 0))
        return TEMPORARY;
    enter_sandbox(queue, agent.control.directory);
    serve(&agent);
    agent_link_free(&agent.link);
    bounce_settings_free(&agent.bounce.settings);
    return agent.exit_code;
}
