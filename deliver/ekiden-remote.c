/* ekiden-remote: delivers to other hosts. See ekiden-remote(8). */
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include <skalibs/sgetopt.h>
#include <skalibs/stralloc.h>
#include <skalibs/types.h>

#include "configured.h"
#include "deliver/job.h"
#include "deliver/remote_master.h"
#include "deliver/remote_single.h"
#include "lib/fields.h"
#include "lib/log.h"
#include "lib/privilege.h"
#include "lib/program_path.h"
#include "tls/tls_holder.h"

struct options {
    char const *control;
    bool agent;
    int tls_service;              /* inherited: where to ask for TLS; -1: nowhere */
    char const *const *arguments; /* host, sender, recipients; ended by NULL */
    int count;
};

/* One that is open, behind those that have a meaning anyway. */
static bool scan_descriptor(char const *text, int *descriptor)
{
    unsigned int number;
    if (!uint0_scan(text, &number) || number < 3 || number > INT_MAX ||
        fcntl((int)number, F_SETFD, FD_CLOEXEC) != 0)
        return false;
    *descriptor = (int)number;
    return true;
}

static bool parse_options(struct options *options, int argc, char const *const *argv)
{
    subgetopt state = SUBGETOPT_ZERO;
    state.prog = "ekiden-remote";
    *options = (struct options){.control = CONFIGURED_CONTROL, .tls_service = -1};
    for (;;) {
        switch (subgetopt_r(argc, argv, "C:aT:", &state)) {
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
        case 'T':
            if (!scan_descriptor(state.arg, &options->tls_service))
                return false;
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
    struct privilege_user user;
    privilege_refuse_root();
    /* What root started has dropped its privilege before this program began; but whether a core
     * or a debugger may see its passwords, that each execve decides anew. */
    if (!privilege_find(&user, CONFIGURED_USER_REMOTE))
        return 111;
    privilege_drop(&user, NULL);
    if (control_open(&control, options->control, &error) == CONTROL_ERROR) {
        log_failure("not-started", error.text, 0);
        return 111;
    }
    int const exit_code = remote_master_serve(0, options->tls_service, &control);
    control_close(&control);
    return exit_code;
}

/* --- qmail-remote --- */

static bool drop(void)
{
    struct privilege_user user;
    if (!privilege_find(&user, CONFIGURED_USER_REMOTE))
        return false;
    privilege_drop(&user, NULL);
    return true;
}

/* A service of our own where none was inherited: it costs nothing until a server offers TLS. */
static bool start_tls(int *tls_service, struct control const *control)
{
    struct tls_holder holder;
    stralloc path = STRALLOC_ZERO;
    bool good = *tls_service >= 0;
    if (!good && program_path(&path, "ekiden-tls")) {
        enum tls_holder_result const result = tls_holder_start(&holder, path.s, control);
        good = result != TLS_HOLDER_FAILED;
        if (result == TLS_HOLDER_STARTED)
            *tls_service = holder.requests;
    }
    stralloc_free(&path);
    return good;
}

static bool are_addresses(char const *const *texts)
{
    for (; *texts; texts++)
        if (!fields_is_text(*texts, JOB_ADDRESS_MAX))
            return false;
    return true;
}

static void deliver(struct control const *control, struct options const *options, int tls_service)
{
    struct control_error error;
    struct remote_settings settings;
    struct table routes = TABLE_ZERO;
    struct smtproute route;
    struct remote_ways ways;
    struct failure failure;
    char const *const host = options->arguments[0];
    if (remote_settings_load(&settings, control, &error) == CONTROL_ERROR) {
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
        remote_single_run(&settings, &ways, tls_service, options->arguments[1],
                          options->arguments + 2);
    }
    table_free(&routes);
    remote_settings_free(&settings);
}

static int deliver_one(struct options const *options)
{
    struct control control = {.directory = -1};
    struct control_error error;
    int tls_service = options->tls_service;
    if (control_open(&control, options->control, &error) == CONTROL_ERROR) {
        remote_single_report('Z', "4.3.5 the control files cannot be used; the log says why");
        log_failure("not-started", error.text, 0);
    } else if (!start_tls(&tls_service, &control)) {
        remote_single_report('Z', "4.3.5 TLS could not be made ready; the log says why");
    } else if (!drop()) {
        remote_single_report('Z', "4.3.5 the user of remote deliveries is missing");
    } else {
        deliver(&control, options, tls_service);
    }
    control_close(&control);
    return 0; /* always, as qmail-remote: the report says everything */
}

int main(int argc, char const *const *argv)
{
    struct options options;
    log_start("ekiden-remote");
    if (!parse_options(&options, argc, argv)) {
        log_failure("usage",
                    "usage: ekiden-remote -C CONTROL -a [-T DESCRIPTOR] | "
                    "ekiden-remote [-C CONTROL] [-T DESCRIPTOR] HOST SENDER RECIPIENT...",
                    0);
        if (options.agent)
            return 100;
        remote_single_report('D', "5.3.5 ekiden-remote was called the wrong way");
        return 0;
    }
    return options.agent ? serve(&options) : deliver_one(&options);
}
