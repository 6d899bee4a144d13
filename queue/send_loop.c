#include "queue/send_loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/selfpipe.h>

#include "lib/log.h"
#include "lib/signals.h"
#include "queue/send_dispatch.h"
#include "queue/send_finish.h"
#include "queue/send_intake.h"
#include "queue/send_park.h"
#include "queue/send_report.h"

#define STOP_SECONDS     10   /* for deliveries in flight when the scheduler ends */
#define END_MILLISECONDS 5000 /* for agents to end after that */
#define RETRY_SECONDS    1    /* after a failure of memory, with nothing in flight to wait for */

enum {
    POLL_SIGNALS,
    POLL_WATCH,
    POLL_WAKE,
    POLL_CONTROL,
    POLL_AGENTS = POLL_CONTROL + SEND_CONTROL_POLLED,
    POLL_MAX = POLL_AGENTS + SEND_AGENTS_MAX
};

bool send_loop_signals(int *signals)
{
    *signals = signals_trap((int[]){SIGTERM, SIGINT, SIGHUP, SIGALRM, SIGCHLD, 0});
    return *signals >= 0;
}

static bool has_resumed(bool const *before, bool const *now)
{
    return (before[PAUSED_LOCAL] && !now[PAUSED_LOCAL]) ||
           (before[PAUSED_REMOTE] && !now[PAUSED_REMOTE]);
}

static void reload(struct send *send)
{
    struct control_error error;
    struct send_settings fresh = {.loaded = false};
    enum control_result const result = send_settings_load(&fresh, &send->control, &error);
    if (!control_watch_is_settled(&send->watch)) {
        send_settings_free(&fresh);
        return;
    }
    if (result == CONTROL_OK) {
        bool const resumed = has_resumed(send->settings.paused, fresh.paused);
        send_settings_free(&send->settings);
        send->settings = fresh;
        send->settings_serial++;
        send_destinations_revive(&send->destinations);
        send_park_call_all(send);
        send_park_sort_anew(send);
        if (resumed)
            send_source_resume(&send->source, send_clock());
    }
    control_watch_log(result == CONTROL_OK, &error);
}

static void check_settings(struct send *send)
{
    if (control_watch_check(&send->watch) && !send->stopping)
        reload(send);
}

static void stop(struct send *send, int exit_code)
{
    if (exit_code > send->exit_code)
        send->exit_code = exit_code;
    if (send->stopping)
        return;
    send->stopping = true;
    send_dispatch_stop(send);
    send_active_touch_over(&send->active);
}

/* What asked for TLS is refused from now on, and nobody here may start it again. */
static void lose_tls(struct send *send)
{
    send->tls = 0;
    if (send->stopping)
        return;
    log_failure("tls-gone", "ekiden-send ends, to be started anew by its supervisor", 0);
    stop(send, 111);
}

static void reap(struct send *send)
{
    struct log_line line;
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (unsigned int i = 0; i < send->agent_count; i++)
            if (send->agents[i].pid == pid)
                send->agents[i].pid = -1;
        if (pid == send->tls)
            lose_tls(send);
        log_begin(&line, "agent-ended");
        log_number(&line, "pid", (uint64_t)pid);
        log_status(&line, status);
        log_write(&line);
    }
}

static void handle_signals(struct send *send)
{
    for (;;)
        switch (selfpipe_read()) {
        case SIGTERM:
        case SIGINT:
            stop(send, 0);
            break;
        case SIGHUP:
            reload(send);
            break;
        case SIGALRM:
            send_destinations_revive(&send->destinations);
            send_source_all(&send->source);
            send_active_touch_over(&send->active);
            break;
        case SIGCHLD:
            reap(send); /* that it ended is seen at its socket, after its last answers */
            break;
        default:
            return;
        }
}

static void lose_agent(struct send *send, unsigned int agent)
{
    log_failure(
        "agent-gone",
        "its deliveries stay queued; ekiden-send ends, to be started anew by its supervisor", 0);
    send_agent_close(send->agents + agent);
    send_dispatch_died(send, agent);
    stop(send, 111);
}

static void flush_agents(struct send *send)
{
    for (unsigned int i = 0; i < send->agent_count; i++)
        if (send->agents[i].alive && !send_agent_flush(send->agents + i))
            lose_agent(send, i);
}

/* All that can be done without waiting. True when there is more of it. */
static bool work(struct send *send)
{
    bool more = false;
    if (!send->stopping) {
        if (send_source_tick(&send->source, send_now(), send_clock())) {
            send_backlog_clear_more(&send->backlog);
            send_active_touch_over(&send->active);
        }
        more = send_intake_turn(send);
        more = send_dispatch_turn(send) || (more && !send_intake_is_behind(send));
        /* Afterwards: a place that has come free is for those that stand in line for it. */
        more = send_intake_draw(send) || more;
    }
    flush_agents(send);
    unsigned int const before = send->active.count;
    send_finish_turn(send);
    if (!send->stopping)
        send_report_turn(send);
    if (!send->stopping)
        more = send_tidy_turn(send, send_clock()) || more;
    if (!send->stopping)
        more = send_count_turn(&send->count, send->queue, send->settings.room.maxqueue > 0,
                               send_clock()) ||
               more;
    flush_agents(send);
    /* What has left makes room. */
    return more || send->active.touched || (!send->stopping && send->active.count < before);
}

static unsigned int add(struct pollfd *polled, unsigned int index, int descriptor, short events)
{
    polled[index] = (struct pollfd){.fd = descriptor, .events = events};
    return index;
}

static void fill_polled(struct send *send, int signals, struct pollfd polled[POLL_MAX])
{
    bool const room = !send->stopping && send_intake_has_room(send);
    add(polled, POLL_SIGNALS, signals, POLLIN);
    add(polled, POLL_WATCH, send->stopping ? -1 : send->watch.descriptor, POLLIN);
    add(polled, POLL_WAKE, room ? send->source.wake.descriptor : -1, POLLIN);
    send_control_poll(&send->control_socket, polled + POLL_CONTROL);
    for (unsigned int i = 0; i < send->agent_count; i++) {
        struct send_agent *const agent = send->agents + i;
        short const events = send_agent_is_behind(agent) ? POLLIN | POLLOUT : POLLIN;
        add(polled, POLL_AGENTS + i, agent->alive ? unixmessage_receiver_fd(&agent->receiver) : -1,
            events);
    }
}

static int wait_milliseconds(struct send const *send, bool more, uint64_t stop_at)
{
    if (more)
        return 0;
    uint64_t const clock = send_clock();
    if (send->stopping)
        return stop_at > clock ? (int)(stop_at - clock) * 1000 : 0;
    /* Something could not be handed to an agent, and no answer will wake us. */
    if (send_active_has_waiting(&send->active) && send->jobs.count == 0)
        return RETRY_SECONDS * 1000;
    uint64_t wait = send_wheel_wait(&send->source.wheel, send_now());
    if (send->source.look_at < clock + wait)
        wait = send->source.look_at > clock ? send->source.look_at - clock : 0;
    int const settings = control_watch_wait(&send->watch);
    uint64_t const rate = send_park_time(send, send_clock_milliseconds());
    wait *= 1000;
    if (settings >= 0 && (uint64_t)settings < wait)
        wait = (uint64_t)settings;
    return (int)(rate < wait ? rate : wait);
}

static void handle_polled(struct send *send, struct pollfd const polled[POLL_MAX])
{
    for (unsigned int i = 0; i < send->agent_count; i++)
        if (send->agents[i].alive && polled[POLL_AGENTS + i].revents) {
            if (!send_dispatch_answers(send, i))
                lose_agent(send, i);
        }
    if (polled[POLL_WAKE].revents)
        send->source.wake.dry = false;
    if (!send->stopping)
        send_control_serve(send, polled + POLL_CONTROL);
    if (polled[POLL_SIGNALS].revents)
        handle_signals(send);
}

static void save_cursor(struct send *send)
{
    send_wheel_save(&send->source.wheel, send->active.in_slot);
}

/* Closing its socket is what tells an agent to end. */
static void end_agents(struct send *send)
{
    struct timespec const pause = {.tv_nsec = 10 * 1000 * 1000};
    for (unsigned int i = 0; i < send->agent_count; i++)
        send_agent_close(send->agents + i);
    for (int waited = 0; waited < END_MILLISECONDS; waited += 10) {
        unsigned int left = 0;
        reap(send);
        for (unsigned int i = 0; i < send->agent_count; i++)
            left += send->agents[i].pid > 0;
        if (!left)
            return;
        nanosleep(&pause, NULL);
    }
    log_failure("agent-not-ended", "a delivery agent still works; it ends when it is done", 0);
}

int send_loop(struct send *send, int signals)
{
    struct pollfd polled[POLL_MAX];
    uint64_t stop_at = UINT64_MAX;
    reap(send); /* what ended before its signal was caught */
    for (;;) {
        bool const more = work(send);
        if (send->stopping && stop_at == UINT64_MAX)
            stop_at = send_clock() + STOP_SECONDS;
        if (send->stopping && (send->jobs.count == 0 || send_clock() >= stop_at))
            break;
        save_cursor(send);
        fill_polled(send, signals, polled);
        int const ready =
            poll(polled, POLL_AGENTS + send->agent_count, wait_milliseconds(send, more, stop_at));
        if ((ready > 0 && polled[POLL_WATCH].revents) || control_watch_wait(&send->watch) == 0)
            check_settings(send);
        if (ready > 0)
            handle_polled(send, polled);
        else if (ready < 0 && errno != EINTR && errno != ENOMEM && errno != EAGAIN) {
            log_failure("poll", "the loop cannot wait", errno);
            stop(send, 111);
        }
    }
    for (unsigned int i = 0; i < send->agent_count; i++)
        send_dispatch_lost(send, i);
    send_finish_turn(send);
    save_cursor(send);
    end_agents(send);
    return send->exit_code;
}
