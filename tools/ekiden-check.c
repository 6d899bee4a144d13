/* ekiden-check: what is wrong with a configuration, before anybody's mail shows it. See
 * ekiden-check(8). */
#include <stdio.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>

#include "configured.h"
#include "lib/descriptors.h"
#include "lib/log.h"
#include "lib/privilege.h"
#include "tools/check.h"

enum { EXIT_PROBLEMS = 100, EXIT_TEMPORARY = 111 };

static int usage(void)
{
    fputs("usage: ekiden check [ -v ] [ -t ] [ -C control ] [ -Q queue ] [ -M mail ]\n"
          "         [ -A auth-state ] [ -J judge-state ]\n"
          "Names what is wrong, a line each. -v names what is right, too; -t looks at nothing but\n"
          "the control folder, for what programs refuse.\n",
          stderr);
    return EXIT_PROBLEMS;
}

/* False: there is no such option. */
static bool take_option(struct checked *check, bool *verbose, int option, char const *value)
{
    switch (option) {
    case 'v':
        *verbose = true;
        break;
    case 't':
        check->files_only = true;
        break;
    case 'C':
        check->control.path = value;
        break;
    case 'Q':
        check->queue = value;
        break;
    case 'M':
        check->mail = value;
        break;
    case 'A':
        check->auth_state = value;
        break;
    case 'J':
        check->judge_state = value;
        break;
    default:
        return false;
    }
    return true;
}

int main(int argc, char const *const *argv)
{
    struct checked check = {.control.path = CONFIGURED_CONTROL,
                            .queue = CONFIGURED_QUEUE,
                            .mail = CONFIGURED_MAIL,
                            .auth_state = CONFIGURED_STATE,
                            .judge_state = CONFIGURED_JUDGE};
    struct control_error error;
    subgetopt options = SUBGETOPT_ZERO;
    bool verbose = false;
    log_start("ekiden-check");
    if (!descriptors_standard())
        return EXIT_TEMPORARY;
    for (int option; (option = subgetopt_r(argc, argv, "vtC:Q:M:A:J:", &options)) >= 0;)
        if (!take_option(&check, &verbose, option, options.arg))
            return usage();
    if (options.ind < argc)
        return usage();
    if (control_open(&check.control, check.control.path, &error) == CONTROL_ERROR) {
        check_tell(CHECK_ERROR, "%s", error.text);
        return check_show(false, true);
    }
    check.control.observer = &check_observer;
    check_programs(&check);
    check_routes(&check);
    check_keys(&check);
    if (!check.files_only) {
        check_names(&check);
        check_places(&check);
    }
    int const code = check_show(verbose, !check.files_only);
    if (code == EXIT_PROBLEMS && !privilege_is_root())
        fputs("ekiden check: asked as a user who is not root: what only root, or a program's own "
              "user, may read counts as unreadable here.\n",
              stderr);
    return code;
}
