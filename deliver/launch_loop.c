#include "deliver/launch_loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include <skalibs/selfpipe.h>

#include "deliver/launch_take.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/signals.h"

struct loop {
    struct launch *launch;
    struct control const *control;
    struct control_watch *watch;
    bool stopping, gone; /* no further job is taken; the scheduler hears no answer any more */
    long long stop_at;
    long long shed_at; /* when a waiting job is deferred, -1: none waits */
    int exit_code;
};

enum {
    POLL_SIGNALS,
    POLL_WATCH,
    POLL_LINK,
    POLL_USERS,
    POLL_MAX = POLL_USERS + LAUNCH_USERS_AT_ONCE
};

static void stop(struct loop *loop, int exit_code, int seconds)
{
    long long const stop_at = clock_milliseconds() + seconds * 1000LL;
    if (exit_code > loop->exit_code)
        loop->exit_code = exit_code;
    if (!loop->stopping || stop_at < loop->stop_at)
        loop->stop_at = stop_at;
    loop->stopping = true;
}

/* Nobody hears an answer any more. A process sees the end of its socket, stops its program, and
 * ends. */
static void lose_scheduler(struct loop *loop, int exit_code)
{
    loop->gone = loop->launch->failed = true;
    stop(loop, exit_code, LAUNCH_GONE_SECONDS);
    for (struct launch_user *user = loop->launch->users; user; user = user->next)
        launch_user_close(loop->launch, user, "4.3.0 the scheduler is gone");
}

static void log_end(struct launch_user const *user, pid_t pid, int status)
{
    struct log_line line;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    log_begin(&line, "delivery-ended");
    log_text(&line, "user", user->name);
    log_number(&line, "pid", (uint64_t)pid);
    log_status(&line, status);
    log_write(&line);
}

/* What an ended process said last may still lie in its socket; that is read first. One that was
 * stopped, which only its user can have done, is not waited for. */
static void process_changed(struct launch *launch, struct launch_user *user, int status)
{
    if (WIFSTOPPED(status)) {
        if (!user->killed)
            launch_user_expire(launch, user);
        return;
    }
    log_end(user, user->pid, status);
    user->pid = 0;
    user->killed = false;
    user->deadline = clock_milliseconds() + LAUNCH_END_SECONDS * 1000;
}

static void reap(struct loop *loop)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0)
        for (struct launch_user *user = loop->launch->users; user; user = user->next)
            if (user->pid == pid) {
                process_changed(loop->launch, user, status);
                break;
            }
}

static void handle_signals(struct loop *loop)
{
    for (;;)
        switch (selfpipe_read()) {
        case SIGTERM:
        case SIGINT:
            stop(loop, 0, LAUNCH_STOP_SECONDS);
            break;
        case SIGHUP:
            launch_settings_reload(&loop->launch->settings, loop->control, loop->watch);
            break;
        case SIGCHLD:
            reap(loop);
            break;
        default:
            return;
        }
}

static void take_jobs(struct loop *loop)
{
    unixmessage message;
    while (!loop->stopping && loop->launch->jobs < LAUNCH_JOBS_MAX)
        switch (agent_link_receive(&loop->launch->link, &message)) {
        case AGENT_LINK_JOB:
            if (!launch_take(loop->launch, &message)) {
                log_failure("agent-ends", "the scheduler sent something that is no job", 0);
                stop(loop, 111, LAUNCH_STOP_SECONDS);
            }
            break;
        case AGENT_LINK_NONE:
            return;
        case AGENT_LINK_END:
            lose_scheduler(loop, 0);
            return;
        case AGENT_LINK_FAILED:
            lose_scheduler(loop, 111);
            return;
        }
}

/* Moves USER behind all others, so that one with endless mail is not the next one again. */
static void move_to_end(struct launch *launch, struct launch_user *user)
{
    struct launch_user **place = &launch->users;
    while (*place != user)
        place = &(*place)->next;
    *place = user->next;
    while (*place)
        place = &(*place)->next;
    user->next = NULL;
    *place = user;
}

/* One that was killed and has not ended holds nobody's place. */
static bool is_running(struct launch_user const *user)
{
    return (user->pid || user->socket >= 0) && !user->killed;
}

/* Starts and supplies processes, ends what is overdue, forgets who has nothing left. */
static void work(struct loop *loop)
{
    struct launch *const launch = loop->launch;
    long long const now = clock_milliseconds();
    struct launch_user *user, *next;
    unsigned int running = 0;
    loop->shed_at = -1;
    for (user = launch->users; user; user = user->next)
        running += is_running(user);
    for (user = launch->users; user; user = next) {
        next = user->next;
        if ((user->pid || user->socket >= 0) && now >= user->deadline)
            launch_user_expire(launch, user);
        if (user->socket >= 0) {
            if (!loop->stopping)
                launch_user_send(launch, user);
        } else if (!user->pid && user->waiting.first && !loop->stopping &&
                   running < LAUNCH_USERS_AT_ONCE) {
            launch_user_start(launch, user);
            running += is_running(user);
        }
        long long const shed_at = launch_user_shed(launch, user);
        if (shed_at >= 0 && (loop->shed_at < 0 || shed_at < loop->shed_at))
            loop->shed_at = shed_at;
        if (!user->pid && user->socket < 0 && !user->waiting.first)
            launch_user_free(launch, user);
    }
    if (!loop->gone && agent_link_flush(&launch->link) != AGENT_LINK_NONE)
        launch->failed = true;
    if (launch->failed && !loop->gone)
        lose_scheduler(loop, 0);
}

/* Milliseconds until something is due. */
static int wait_milliseconds(struct loop const *loop)
{
    long long until = loop->stopping ? loop->stop_at : -1;
    if (loop->shed_at >= 0 && (until < 0 || loop->shed_at < until))
        until = loop->shed_at;
    for (struct launch_user const *user = loop->launch->users; user; user = user->next)
        if ((user->pid || user->socket >= 0) && (until < 0 || user->deadline < until))
            until = user->deadline;
    long long wait = until < 0 ? -1 : until - clock_milliseconds();
    if (until >= 0 && wait < 0)
        wait = 0;
    int const settings = control_watch_wait(loop->watch);
    if (settings >= 0 && (wait < 0 || settings < wait))
        wait = settings;
    return wait > 60000 ? 60000 : (int)wait;
}

/* Fills POLLED, and USERS with the user of each entry. Returns the number of entries. */
static unsigned int fill_polled(struct loop *loop, int signals, struct pollfd polled[POLL_MAX],
                                struct launch_user *users[POLL_MAX])
{
    struct launch *const launch = loop->launch;
    bool const room = !loop->stopping && launch->jobs < LAUNCH_JOBS_MAX;
    unsigned int count = POLL_USERS;
    polled[POLL_SIGNALS] = (struct pollfd){.fd = signals, .events = POLLIN};
    polled[POLL_WATCH] = (struct pollfd){.fd = loop->watch->descriptor, .events = POLLIN};
    /* Without room only its end is looked for. */
    polled[POLL_LINK] = (struct pollfd){
        .fd = loop->gone ? -1 : agent_link_descriptor(&launch->link), .events = room ? POLLIN : 0};
    for (struct launch_user *user = launch->users; user && count < POLL_MAX; user = user->next)
        if (user->socket >= 0) {
            bool const behind = !unixmessage_sender_isempty(&user->sender);
            users[count] = user;
            polled[count++] =
                (struct pollfd){.fd = user->socket, .events = behind ? POLLIN | POLLOUT : POLLIN};
        }
    return count;
}

static void turn(struct loop *loop, int signals)
{
    struct pollfd polled[POLL_MAX];
    struct launch_user *users[POLL_MAX];
    unsigned int const count = fill_polled(loop, signals, polled, users);
    int const ready = poll(polled, count, wait_milliseconds(loop));
    if (ready < 0 && errno != EINTR && errno != ENOMEM && errno != EAGAIN) {
        log_failure("agent-ends", "poll", errno);
        stop(loop, 111, 0);
    }
    if (((ready > 0 && polled[POLL_WATCH].revents) || control_watch_wait(loop->watch) == 0) &&
        control_watch_check(loop->watch))
        launch_settings_reload(&loop->launch->settings, loop->control, loop->watch);
    if (ready <= 0)
        return;
    for (unsigned int i = POLL_USERS; i < count; i++) {
        bool const was_open = users[i]->socket >= 0;
        if (polled[i].revents & (POLLIN | POLLHUP | POLLERR))
            launch_user_receive(loop->launch, users[i]);
        if (was_open && users[i]->socket < 0)
            move_to_end(loop->launch, users[i]);
    }
    if (!loop->stopping && polled[POLL_LINK].revents)
        take_jobs(loop);
    else if (polled[POLL_LINK].revents & (POLLHUP | POLLERR))
        lose_scheduler(loop, 0);
    if (polled[POLL_SIGNALS].revents)
        handle_signals(loop);
}

static bool is_done(struct loop const *loop)
{
    if (!loop->stopping)
        return false;
    if (clock_milliseconds() >= loop->stop_at)
        return true;
    for (struct launch_user const *user = loop->launch->users; user; user = user->next)
        if (is_running(user))
            return false;
    return true;
}

/* Whoever still delivers has had his time. */
static void kill_all(struct launch *launch)
{
    while (launch->users) {
        struct launch_user *const user = launch->users;
        if (user->pid && !user->killed)
            launch_child_kill(user->pid, user->uid);
        launch_user_free(launch, user);
    }
}

int launch_loop(struct launch *launch, int socket, struct control const *control,
                struct control_watch *watch)
{
    struct loop loop = {.launch = launch, .control = control, .watch = watch, .shed_at = -1};
    int const signals = signals_trap((int[]){SIGTERM, SIGINT, SIGHUP, SIGCHLD, 0});
    if (signals < 0 || !agent_link_start(&launch->link, socket))
        return 111;
    while (!is_done(&loop)) {
        turn(&loop, signals);
        work(&loop);
    }
    kill_all(launch);
    agent_link_free(&launch->link);
    selfpipe_finish();
    return loop.exit_code;
}
