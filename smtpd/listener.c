/* The keeper of a listener: makes the templates, makes new ones when the configuration changes,
 * starts helpers, and ends everything in order. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/control_watch.h"
#include "lib/log.h"
#include "lib/packet.h"
#include "lib/process.h"
#include "smtpd/injectors.h"
#include "smtpd/keeper.h"
#include "smtpd/template.h"

#define EXIT_TEMPORARY    111
#define SLOTS_BEYOND      32 /* beyond concurrencyincoming: those that wait, and those that say 421 */
#define CAPACITY_MAX      100000
#define HELPERS_A_SESSION 4  /* at once: a judge, SPF of its name and its sender, one that ends */
#define BROKEN_SECONDS    30 /* for sessions to end by themselves */

struct listener {
    struct keeper *keeper;
    struct template template;
    struct children children; /* templates; numbered by what they are */
    int injector_reads, helper_reads;
    struct control_watch changes;
    pid_t dialogues; /* the template of today */
    unsigned int idle_seconds;
    uint64_t taken; /* connections at the last look */
    time_t idle_since;
};

enum { DIALOGUES, INJECTORS };

/* Makes a table that is large enough for the settings. Where there is one for fewer sessions, those
 * of the old template go on in it, and are no longer counted by the new one. */
static bool make_table(struct listener *listener)
{
    struct template *const template = &listener->template;
    uint64_t const wanted = listener->keeper->settings->concurrencyincoming + SLOTS_BEYOND;
    size_t const capacity = (size_t)(wanted < CAPACITY_MAX ? wanted : CAPACITY_MAX);
    if (template->table && capacity <= template->sessions_max)
        return true;
    struct session_table *const table = session_table_new(capacity);
    if (!table)
        return false;
    template->table = table;
    template->sessions_max = capacity;
    return true;
}

static bool start_dialogues(struct listener *listener)
{
    listener->template.settings = listener->keeper->settings;
    if (!make_table(listener) || !children_reserve(&listener->children))
        return false;
    pid_t const pid = template_start_dialogues(&listener->template);
    if (pid < 0)
        return false;
    children_add(&listener->children, pid, DIALOGUES);
    listener->dialogues = pid;
    return true;
}

/* Makes a template from what the control files say now; the old one, which goes on for its
 * sessions, has its own copy of the old settings. With a malformed file everything stays as it is.
 */
static void reload(struct listener *listener)
{
    struct log_line line;
    struct settings *const settings = keeper_load_settings(&listener->keeper->control);
    pid_t const old = listener->dialogues;
    if (!settings)
        return;
    if (!control_watch_is_settled(&listener->changes)) {
        settings_free(settings);
        free(settings);
        return;
    }
    struct settings *const before = listener->keeper->settings;
    keeper_use_settings(listener->keeper, settings);
    if (!start_dialogues(listener)) {
        keeper_use_settings(listener->keeper, before);
        listener->template.settings = before;
        settings_free(settings);
        free(settings);
        return;
    }
    kill(old, SIGHUP);
    settings_free(before);
    free(before);
    log_begin(&line, "configuration-loaded");
    log_write(&line);
}

static void handle_request(struct listener *listener)
{
    char request[HELPER_REQUEST_MAX];
    int reply = -1;
    unsigned int count = 1;
    ssize_t const length =
        packet_receive(listener->helper_reads, request, sizeof request, &reply, &count);
    if (length == 0) { /* the last session has gone; a socket at its end is not polled again */
        close(listener->helper_reads);
        listener->helper_reads = -1;
    }
    if (length > 0 && count == 1 &&
        listener->keeper->helpers.count / HELPERS_A_SESSION < listener->template.sessions_max)
        helper_start(&listener->keeper->helpers, request, (size_t)length, reply);
    else if (length > 0 && count == 1)
        close(reply);
}

/* True when a template that is needed has died. */
static bool reap(struct listener *listener)
{
    struct child ended;
    int status;
    bool broken = false;
    while (children_reap(&listener->children, &ended, &status)) {
        if (helper_ended(&listener->keeper->helpers, ended.pid, status) ||
            tls_service_ended(&listener->keeper->tls, ended.pid))
            continue;
        broken |= ended.number == INJECTORS || ended.pid == listener->dialogues;
    }
    return broken;
}

/* True when there was no session for the time after which a listener leaves. */
static bool is_idle(struct listener *listener)
{
    uint64_t const taken = session_table_taken(listener->template.table);
    /* More than the two templates of today: old ones still have sessions. */
    if (taken != listener->taken || session_table_active(listener->template.table) ||
        listener->children.count > 2) {
        listener->taken = taken;
        listener->idle_since = clock_seconds();
    }
    return listener->idle_seconds &&
           clock_seconds() - listener->idle_since >= (time_t)listener->idle_seconds;
}

/* Waits for what comes, and handles all but changes of the configuration. */
static void wait_once(struct listener *listener, struct timespec const *timeout, bool *broken)
{
    size_t const helpers = listener->keeper->helpers.count;
    struct tls_service *const tls = &listener->keeper->tls;
    struct pollfd polls[3 + helpers];
    polls[0] = (struct pollfd){.fd = listener->changes.descriptor, .events = POLLIN};
    polls[1] = (struct pollfd){.fd = listener->helper_reads, .events = POLLIN};
    polls[2] = tls_service_poll(tls);
    helper_polls(&listener->keeper->helpers, polls + 3);
    ppoll(polls, 3 + helpers, helper_timeout(&listener->keeper->helpers, timeout),
          process_waiting());
    if (process_take_child())
        *broken |= reap(listener);
    helper_check(&listener->keeper->helpers, polls + 3, helpers);
    if (polls[1].revents)
        handle_request(listener);
    if (polls[2].revents)
        tls_service_check(tls, &listener->keeper->control);
    /* Before the end the keeper itself could still ask: a session has shut the socket for all. */
    *broken |= listener->helper_reads < 0 || tls->reads < 0;
}

static void watch(struct listener *listener, bool *broken)
{
    /* A second at most while something has to be looked at without an event. */
    struct timespec const look = {.tv_sec = 1};
    bool const looks = listener->idle_seconds || control_watch_wait(&listener->changes) >= 0;
    wait_once(listener, looks ? &look : NULL, broken);
    bool const changed = control_watch_check(&listener->changes);
    if (process_take_hangup() || changed)
        reload(listener);
}

/* Ends the sessions at their next command, then everything. Injectors, helpers and TLS go on until
 * the last session that could ask is gone: what a client was promised is kept, and it hears of it.
 * When BROKEN, a session that has been taken over may be the cause, and never end: others want to
 * be served, and who started this kills what is left of it. */
static void end(struct listener *listener, bool broken)
{
    struct timespec const look = {.tv_sec = 1};
    struct timespec const *const timeout = broken ? &look : NULL;
    time_t const late = clock_seconds() + BROKEN_SECONDS;
    for (size_t i = 0; i < listener->children.count; i++)
        if (listener->children.entries[i].number == DIALOGUES)
            kill(listener->children.entries[i].pid, SIGTERM);
    close(listener->template.injector_requests);
    close(listener->template.helper_requests);
    tls_service_close(&listener->keeper->tls);
    close(listener->changes.descriptor);
    listener->changes.descriptor = -1;
    while ((listener->children.count || listener->keeper->helpers.count ||
            listener->keeper->tls.pid) &&
           (!timeout || clock_seconds() < late))
        wait_once(listener, timeout, &broken);
}

/* The keeper has loaded the settings, but what changed before the watch began went unnoticed. */
static bool load_again(struct keeper *keeper)
{
    struct settings *const settings = keeper_load_settings(&keeper->control);
    if (!settings)
        return false;
    settings_free(keeper->settings);
    free(keeper->settings);
    keeper_use_settings(keeper, settings);
    return true;
}

static bool open_listener(struct listener *listener)
{
    int injector[2], helper[2];
    if (!packet_pair(injector) || !packet_pair(helper) ||
        !tls_service_open(&listener->keeper->tls, TLS_SERVER))
        return false;
    listener->injector_reads = injector[0];
    listener->helper_reads = helper[0];
    listener->template.injector_requests = injector[1];
    listener->template.helper_requests = helper[1];
    listener->template.tls_requests = listener->keeper->tls.requests;
    if (!control_watch_start(&listener->changes, &listener->keeper->control))
        return false;
    control_watch_also(&listener->changes, ACCOUNTS_FOLDER, ACCOUNTS_FILE);
    control_watch_below(&listener->changes, &listener->keeper->control, "tls");
    return load_again(listener->keeper) && make_table(listener);
}

static bool start_injectors(struct listener *listener)
{
    if (!children_reserve(&listener->children))
        return false;
    listener->template.settings = listener->keeper->settings;
    pid_t const pid = injectors_start(&listener->template, listener->injector_reads);
    if (pid < 0)
        return false;
    children_add(&listener->children, pid, INJECTORS);
    close(listener->injector_reads);
    return true;
}

static void tell_ready(int descriptor)
{
    struct log_line line;
    log_begin(&line, "listening");
    log_write(&line);
    if (descriptor > 0 && write(descriptor, "\n", 1) != 1)
        log_failure("ready-not-told", "write", errno);
    if (descriptor > 0)
        close(descriptor);
}

int keeper_listen(struct keeper *keeper, struct listening const *listeners, size_t count,
                  struct keeper_options const *options)
{
    static struct listener listener;
    bool broken = false;
    process_catch_signals();
    listener.keeper = keeper;
    listener.idle_seconds = options->idle_seconds;
    listener.template = (struct template){.listeners = listeners,
                                          .listener_count = count,
                                          .dialogue = keeper->dialogue,
                                          .injector = keeper->injector,
                                          .empty = keeper->empty,
                                          .folder = keeper->folder,
                                          .wake = keeper->wake,
                                          .count = keeper->count,
                                          .room = &keeper->room};
    if (!open_listener(&listener) || !start_injectors(&listener) || !start_dialogues(&listener)) {
        log_failure("listener-failed", "start", errno);
        return EXIT_TEMPORARY;
    }
    tell_ready(options->ready);
    listener.idle_since = clock_seconds();
    while (!*process_stop() && !broken && !is_idle(&listener))
        watch(&listener, &broken);
    if (broken)
        log_failure("listener-failed",
                    "a template or a socket of requests ended; everything is started anew", 0);
    end(&listener, broken);
    return broken ? EXIT_TEMPORARY : 0;
}
