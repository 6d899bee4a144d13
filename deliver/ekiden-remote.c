/* ekiden-remote: delivers to other hosts. See ekiden-remote(8). */
#include <string.h>

#include <skalibs/sgetopt.h>

#include "configured.h"
#include "deliver/job.h"
#include "deliver/remote_master.h"
#include "deliver/remote_single.h"
#include "lib/fields.h"
#include "lib/log.h"
#include "lib/privilege.h"

struct options {
    char const *control;
    bool agent;
    char const *const *arguments; /* host, sender, recipients; ended by NULL */
    int count;
};

static bool parse_options(struct options *options, int argc, char const *const *argv)
{
    subgetopt state = SUBGETOPT_ZERO;
    state.prog = "ekiden-remote";
    *options = (struct options){.control = CONFIGURED_CONTROL};
    for (;;) {
        switch (subgetopt_r(argc, argv, "C:a", &state)) {
        case -1:
            options->arguments = argv + state.ind;
            options->count = argc - state.ind;
            return options->agent ? options->count == 0 : options->count >= 3;
        case 'C':
            options->control = state.arg;
            break;
        case 'a':
            options->agent = true;
            break;
        default:
            return false;
        }
    }
}

/* --- the scheduler's agent --- */

static int serve(struct options const *options)
{
    struct control control;
    struct control_error error;
    struct log_line line;
    privilege_refuse_root();
    if (control_open(&control, options->control, &error) == CONTROL_ERROR) {
        log_begin(&line, "not-started");
        log_text(&line, "error", error.text);
        log_write(&line);
        return 111;
    }
    int const exit_code = remote_master_serve(0, &control);
    control_close(&control);
    return exit_code;
}

/* --- qmail-remote --- */

static bool load(struct remote_settings *settings, struct control *control, char const *path,
                 struct control_error *error)
{
    return control_open(control, path, error) == CONTROL_OK &&
           remote_settings_load(settings, control, error) == CONTROL_OK;
}

static bool drop(void)
{
    struct privilege_user user;
    if (!privilege_is_root())
        return true;
    if (!privilege_find(&user, CONFIGURED_USER_REMOTE))
        return false;
    privilege_drop(&user, NULL);
    return true;
}

static bool are_addresses(char const *const *texts)
{
    for (; *texts; texts++)
        if (!fields_is_text(*texts, JOB_ADDRESS_MAX))
            return false;
    return true;
}

static void deliver(struct control *control, struct options const *options)
{
    struct control_error error;
    struct remote_settings settings;
    struct table routes = TABLE_ZERO;
    struct smtproute route;
    struct remote_ways ways;
    struct failure failure;
    char const *const host = options->arguments[0];
    if (!load(&settings, control, options->control, &error)) {
        remote_single_report('Z', "4.3.5 the control files cannot be used; the log says why");
        log_failure("not-started", error.text, 0);
        return;
    }
    if (smtproutes_load(&routes, control, &error) == CONTROL_ERROR) {
        remote_single_report('Z', "4.3.5 smtproutes cannot be used; the log says why");
        log_failure("not-started", error.text, 0);
    } else if (!smtproutes_find(&routes, host, strlen(host), options->arguments[1], &route)) {
        remote_single_report('D', "5.1.2 the host is no domain");
    } else if (!are_addresses(options->arguments)) {
        remote_single_report('D', "5.1.3 an address has a control character or is too long");
    } else if (!remote_ways_make(&ways, &route, &settings, &failure)) {
        remote_single_report('Z', failure.text);
    } else {
        remote_single_run(&settings, &ways, -1, options->arguments[1], options->arguments + 2);
    }
    table_free(&routes);
    remote_settings_free(&settings);
}

static int deliver_one(struct options const *options)
{
    struct control control = {.directory = -1};
    if (drop())
        deliver(&control, options);
    else
        remote_single_report('Z', "4.3.5 the user of remote deliveries is missing");
    control_close(&control);
    return 0; /* always, as qmail-remote: the report says everything */
}

int main(int argc, char const *const *argv)
{
    struct options options;
    log_start("ekiden-remote");
    if (!parse_options(&options, argc, argv)) {
        log_failure("usage",
                    "usage: ekiden-remote -C CONTROL -a | "
                    "ekiden-remote [-C CONTROL] HOST SENDER RECIPIENT...",
                    0);
        if (options.agent)
            return 100;
        remote_single_report('D', "5.3.5 ekiden-remote was called the wrong way");
        return 0;
    }
    return options.agent ? serve(&options) : deliver_one(&options);
}
