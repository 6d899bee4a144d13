#include "deliver/remote_master.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include <skalibs/djbunix.h>
#include <skalibs/iopause.h>
#include <skalibs/selfpipe.h>
#include <skalibs/tai.h>

#include "deliver/agent_link.h"
#include "deliver/remote_children.h"
#include "deliver/remote_fence.h"
#include "lib/control_watch.h"
#include "lib/log.h"
#include "lib/signals.h"

#define STOP_SECONDS  8 /* for deliveries on their way when we are to end */
#define LEAVE_SECONDS 1 /* for goodbyes when nobody hears results any more */
#define RESOLV_CONF   "/etc/resolv.conf"

struct master {
    struct control const *control;
    struct remote_settings settings; /* owned */
    struct remote_refusals refusals;
    struct control_watch watch;
    struct stat resolv; /* as it was when the settings were loaded */
    int tls_service;    /* -1: there is none */
    int signals;
    bool ending; /* takes no further job */
    bool alone;  /* the scheduler is gone */
    int exit_code;
    tain end;        /* counts when ending */
    uint64_t serial; /* of what a process was given when it began: settings, refused logins */
    struct remote_children children;
    struct agent_link link;
};

static void end(struct master *master, int exit_code)
{
    if (exit_code > master->exit_code)
        master->exit_code = exit_code;
    if (!master->ending)
        tain_addsec_g(&master->end, STOP_SECONDS);
    master->ending = true;
    remote_children_let_go(&master->children);
}

/* The scheduler is gone. What has no result yet ends at once, for its mail will be tried again. */
static void end_alone(struct master *master, int exit_code)
{
    struct remote_children *const children = &master->children;
    end(master, exit_code);
    if (master->alone)
        return;
    master->alone = true;
    tain_addsec_g(&master->end, LEAVE_SECONDS);
    for (unsigned int i = children->count; i-- > 0;)
        if (children->entries[i].state == REMOTE_CHILD_BUSY) {
            children->entries[i].waiting = 0; /* nobody is told of those that were lost */
            remote_child_end(children->entries + i);
            children->entries[i] = children->entries[--children->count];
        }
}

/* What processes have that run now is not what new ones get. */
static void renew(struct master *master)
{
    master->serial++;
    remote_children_let_go(&master->children);
}

/* --- settings --- */

static void stat_resolv(struct stat *status)
{
    memset(status, 0, sizeof *status);
    stat(RESOLV_CONF, status);
}

static bool resolv_has_changed(struct master const *master)
{
    struct stat now;
    stat_resolv(&now);
    return now.st_ino != master->resolv.st_ino || now.st_dev != master->resolv.st_dev ||
           now.st_size != master->resolv.st_size ||
           now.st_mtim.tv_sec != master->resolv.st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != master->resolv.st_mtim.tv_nsec;
}

static void reload(struct master *master)
{
    struct remote_settings fresh;
    struct control_error error;
    stat_resolv(&master->resolv);
    enum control_result const result = remote_settings_load(&fresh, master->control, &error);
    if (!control_watch_is_settled(&master->watch)) {
        if (result == CONTROL_OK)
            remote_settings_free(&fresh);
        return;
    }
    if (result == CONTROL_OK) {
        remote_settings_free(&master->settings);
        master->settings = fresh;
        remote_refusals_clear(&master->refusals);
        renew(master);
    }
    control_watch_log(result == CONTROL_OK, &error);
}

/* --- answers --- */

static void answer(struct master *master, uint64_t number, char const *text)
{
    struct job_answer const deferred = {number, JOB_DEFERRED, text};
    if (!agent_link_answer(&master->link, &deferred))
        end(master, 111);
}

/* Defers what CHILD did not answer, and forgets it. */
static void drop(struct master *master, unsigned int index, char const *text)
{
    struct remote_child *const child = master->children.entries + index;
    remote_child_end(child);
    for (unsigned int i = 0; i < child->count; i++)
        if (!child->answered[i])
            answer(master, child->numbers[i], text);
    *child = master->children.entries[--master->children.count];
}

/* CHILD may have become idle: of use, or as one more than may be. */
static void take_state(struct master *master, struct remote_child *child)
{
    if (child->state != REMOTE_CHILD_IDLE)
        return;
    if (master->ending || child->serial != master->serial)
        remote_child_let_go(child);
    else
        remote_children_bound_idle(&master->children, child);
}

/* True when the child is gone: another one is at INDEX now, or none. */
static bool receive(struct master *master, unsigned int index)
{
    struct job_answer received;
    char buffer[REMOTE_CHILD_BUFFER];
    struct remote_child *const child = master->children.entries + index;
    unsigned int const refused = master->refusals.next;
    switch (remote_child_receive(child, &received, buffer, &master->refusals)) {
    case REMOTE_CHILD_ANSWER:
        if (!agent_link_answer(&master->link, &received))
            end(master, 111);
        take_state(master, child);
        return false;
    case REMOTE_CHILD_NONE:
        if (master->refusals.next != refused)
            renew(master);
        take_state(master, child);
        return false;
    case REMOTE_CHILD_ENDED:
        drop(master, index, "4.3.0 the delivery process ended before it had a result");
        return true;
    case REMOTE_CHILD_BROKEN:
    default:
        log_failure("remote-broken", "a delivery process answered what it was not asked", 0);
        drop(master, index, "4.3.0 the delivery process broke down");
        return true;
    }
}

/* --- jobs --- */

static bool may_take(struct master const *master)
{
    return !master->ending &&
           (master->children.count < REMOTE_CHILDREN_MAX ||
            remote_children_dispensable(&master->children) < REMOTE_CHILDREN_MAX);
}

/* Ends a process that has no result to give, so that no job waits for a goodbye. False: each has.
 */
static bool make_room(struct master *master)
{
    unsigned int const index = remote_children_dispensable(&master->children);
    if (index == master->children.count)
        return false;
    drop(master, index, "");
    return true;
}

/* Gives JOB to a process whose connection waits for it. */
static bool reuse(struct master *master, struct remote_job const *job, unixmessage const *message)
{
    struct remote_child *const child =
        remote_children_find(&master->children, &job->route, master->serial);
    return child && remote_child_give(child, job, message->s, message->len, message->fds[0],
                                      &master->settings);
}

static bool start_child(struct master *master, struct remote_job const *job, int descriptor)
{
    struct remote_children *const children = &master->children;
    bool has_room = children->count < REMOTE_CHILDREN_MAX || make_room(master);
    /* other bounds are the system's */
    while (has_room &&
           !remote_child_start(children->entries + children->count, job, descriptor,
                               master->tls_service, &master->settings, &master->refusals))
        has_room = make_room(master);
    if (has_room)
        children->entries[children->count++].serial = master->serial;
    return has_room;
}

static void take_job(struct master *master, unixmessage const *message)
{
    struct remote_job job;
    if (message->nfds != 1 || !remote_job_parse(&job, message->s, message->len)) {
        log_failure("agent-ends", "the scheduler sent something that is no job", 0);
        end(master, 111);
        return;
    }
    if (resolv_has_changed(master))
        reload(master);
    if (reuse(master, &job, message) || start_child(master, &job, message->fds[0]))
        return;
    log_failure("remote-not-started", "fork", errno);
    for (unsigned int i = 0; i < job.count; i++)
        answer(master, job.recipients[i].number, "4.3.0 no process could be started");
}

static void take_jobs(struct master *master)
{
    unixmessage message;
    while (may_take(master))
        switch (agent_link_receive(&master->link, &message)) {
        case AGENT_LINK_JOB:
            take_job(master, &message);
            unixmessage_drop(&message);
            break;
        case AGENT_LINK_NONE:
            return;
        case AGENT_LINK_END:
            end_alone(master, 0);
            return;
        case AGENT_LINK_FAILED:
        default:
            end(master, 111);
            return;
        }
}

/* --- the loop --- */

enum { POLL_SIGNALS, POLL_WATCH, POLL_LINK, POLL_CHILDREN };

/* When something must be done without an event. */
static void find_deadline(struct master *master, tain *deadline)
{
    int const wait = control_watch_wait(&master->watch);
    if (may_take(master) && agent_link_has_job(&master->link)) {
        *deadline = STAMP;
        return;
    }
    tain_add_g(deadline, &tain_infinite_relative);
    if (wait >= 0) {
        tain_from_millisecs(deadline, wait);
        tain_add_g(deadline, deadline);
    }
    if (master->ending && tain_less(&master->end, deadline))
        *deadline = master->end;
    for (unsigned int i = 0; i < master->children.count; i++)
        if (tain_less(&master->children.entries[i].deadline, deadline))
            *deadline = master->children.entries[i].deadline;
}

static void drop_late(struct master *master)
{
    for (unsigned int i = 0; i < master->children.count;)
        if (tain_future(&master->children.entries[i].deadline))
            i++;
        else if (master->children.entries[i].state == REMOTE_CHILD_IDLE)
            remote_child_let_go(master->children.entries + i);
        else
            drop(master, i, "4.4.7 the delivery took too long and was given up");
}

/* From the last to the first, because a child that is gone is replaced by the last. */
static void receive_all(struct master *master, iopause_fd const *polled, unsigned int count)
{
    for (unsigned int i = count; i-- > 0;)
        if (polled[POLL_CHILDREN + i].revents)
            receive(master, i);
}

static void handle_signals(struct master *master)
{
    int number;
    while ((number = selfpipe_read()) > 0)
        if (number == SIGHUP)
            reload(master);
        else
            end(master, 0);
}

static void turn(struct master *master)
{
    static iopause_fd polled[POLL_CHILDREN + REMOTE_CHILDREN_MAX];
    unsigned int const count = master->children.count;
    tain deadline;
    polled[POLL_SIGNALS] = (iopause_fd){.fd = master->signals, .events = IOPAUSE_READ};
    polled[POLL_WATCH] = (iopause_fd){.fd = master->watch.descriptor, .events = IOPAUSE_READ};
    polled[POLL_LINK] = (iopause_fd){
        .fd = may_take(master) ? agent_link_descriptor(&master->link) : -1, .events = IOPAUSE_READ};
    for (unsigned int i = 0; i < count; i++)
        polled[POLL_CHILDREN + i] =
            (iopause_fd){.fd = master->children.entries[i].socket, .events = IOPAUSE_READ};
    find_deadline(master, &deadline);
    if (iopause_g(polled, POLL_CHILDREN + count, &deadline) < 0) {
        if (errno == EINTR)
            return;
        log_failure("agent-ends", "iopause", errno);
        end(master, 111);
        return;
    }
    if (polled[POLL_SIGNALS].revents)
        handle_signals(master);
    if (control_watch_check(&master->watch))
        reload(master);
    receive_all(master, polled, count);
    drop_late(master);
    take_jobs(master);
    switch (agent_link_flush(&master->link)) {
    case AGENT_LINK_NONE:
        break;
    case AGENT_LINK_END:
        end_alone(master, 0);
        break;
    default:
        end_alone(master, 111);
        break;
    }
}

static bool is_done(struct master const *master)
{
    return master->ending && (!master->children.count || !tain_future(&master->end));
}

static bool start(struct master *master, int socket)
{
    struct control_error error;
    tain_now_set_stopwatch_g();
    master->signals = signals_trap((int[]){SIGTERM, SIGINT, SIGHUP, 0});
    if (master->signals < 0)
        return false;
    /* Watched first: a file that changes while it is loaded is loaded again. */
    stat_resolv(&master->resolv);
    if (!control_watch_start(&master->watch, master->control))
        log_failure("settings-not-watched", "changes need a SIGHUP", errno);
    if (remote_settings_load(&master->settings, master->control, &error) == CONTROL_ERROR) {
        log_failure("not-started", error.text, 0);
        return false;
    }
    return agent_link_start(&master->link, socket);
}

int remote_master_serve(int socket, int tls_service, struct control const *control)
{
    static struct master master; /* large, and there is one a process */
    master = (struct master){.control = control, .tls_service = tls_service};
    if (!start(&master, socket))
        return 111;
    remote_fence_enter_master();
    while (!is_done(&master))
        turn(&master);
    /* Those that are left cannot tell anybody their results: they end with us (PR_SET_PDEATHSIG),
     * and their mail is tried again. */
    agent_link_free(&master.link);
    remote_settings_free(&master.settings);
    selfpipe_finish();
    return master.exit_code;
}
