/* What control files refer to: routes to passwords, aliases to files, settings to programs. */
#include <string.h>
#include <unistd.h>

#include "auth/auth_settings.h"
#include "configured.h"
#include "deliver/remote_credentials.h"
#include "lib/aliases.h"
#include "lib/smtproutes.h"
#include "lib/smtproutes_parse.h"
#include "smtpd/settings.h"
#include "tools/check.h"

static struct control_error error; /* what is in it was told already */

/* A message for which there is no password waits for one. */
static void look_passwords(struct checked const *check)
{
    struct remote_credentials credentials = {.bytes = NULL};
    struct table routes = TABLE_ZERO;
    struct table_entry entry;
    struct smtproute route;
    char const *user, *password;
    uint32_t place = CDB_TRAVERSE_INIT();
    char const *const path = check->control.path;
    if (remote_credentials_load(&credentials, &check->control, &error) == CONTROL_ERROR ||
        smtproutes_load(&routes, &check->control, &error) == CONTROL_ERROR || credentials.refused)
        return;
    while (table_next(&routes, &place, &entry))
        if (!smtproutes_parse(&route, entry.value, entry.value_length) && route.auth[0] &&
            !remote_credentials_find(&credentials, route.auth, &user, &password))
            check_tell(CHECK_ERROR,
                       "%s/smtproutes:%u: there is no password for auth=%s; expected a line "
                       "%s:USER:PASSWORD in %s/authroutes; add it there",
                       path, table_line(entry.value), route.auth, route.auth, path);
    remote_credentials_free(&credentials);
}

static bool look_target(void *context, char const *line, size_t length, unsigned int number,
                        struct control_error *problem)
{
    char target[CONTROL_LINE_MAX];
    size_t used = 0;
    (void)context, (void)number;
    return aliases_target(line, length, NULL, 0, target, sizeof target, &used, problem);
}

/* TARGET ends behind LENGTH bytes. */
static void look_included(struct checked const *check, unsigned int line, char const *target,
                          size_t length)
{
    size_t const prefix = sizeof ALIASES_INCLUDE - 1;
    char path[ALIASES_TARGETS_MAX + 1];
    if (length <= prefix || memcmp(target, ALIASES_INCLUDE, prefix) != 0)
        return;
    memcpy(path, target + prefix, length - prefix);
    path[length - prefix] = 0;
    char const *const name = aliases_file(&check->control, path);
    char const *const folder = check->control.path;
    if (!name)
        check_tell(CHECK_ERROR,
                   "%s/aliases:%u: %s does not lie in the control folder; expected a file below "
                   "%s; move it there",
                   folder, line, path, folder);
    else if (control_lines(&check->control, name, look_target, NULL, &error) == CONTROL_ABSENT &&
             faccessat(check->control.directory, name, F_OK, 0) != 0)
        check_tell(CHECK_ERROR,
                   "%s/aliases:%u: %s is not there; expected a file of targets, one a "
                   "line; make it, or change the alias",
                   folder, line, path);
}

static void look_aliases(struct checked const *check)
{
    struct table aliases = TABLE_ZERO;
    struct table_entry entry;
    uint32_t place = CDB_TRAVERSE_INIT();
    (void)table_load_form(&aliases, &check->control, "aliases", TABLE_FOLDED, aliases_entry,
                          &error);
    while (table_next(&aliases, &place, &entry))
        for (size_t at = 0, length; at < entry.value_length; at += length + 1) {
            char const *const target = entry.value + at;
            char const *const end = memchr(target, '\n', entry.value_length - at);
            length = end ? (size_t)(end - target) : entry.value_length - at;
            look_included(check, table_line(entry.value), target, length);
        }
}

static void look_program(struct checked const *check, char const *name, char const *program)
{
    if (access(program, X_OK) != 0)
        check_tell(CHECK_ERROR,
                   "%s/%s: %s cannot be executed; expected the path of a program; install it, or "
                   "name another",
                   check->control.path, name, program);
}

static void look_queueprogram(struct checked const *check)
{
    struct settings settings;
    if (settings_load(&settings, &check->control, &error) != CONTROL_ERROR && settings.queueprogram)
        look_program(check, "queueprogram", settings.queueprogram);
}

static void look_authprogram(struct checked const *check)
{
    struct auth_settings settings;
    if (!auth_settings_load(&settings, &check->control, &error) || !settings.program.len)
        return;
    settings.program.s[strcspn(settings.program.s, " \t")] = 0;
    look_program(check, "authprogram", settings.program.s);
}

void check_routes(struct checked const *check)
{
    check_as(CONFIGURED_USER_REMOTE, "ekiden-remote", look_passwords, check);
    check_as(CONFIGURED_USER_LOCAL, "ekiden-local", look_aliases, check);
    check_as(NULL, "ekiden-smtpd", look_queueprogram, check);
    check_as(CONFIGURED_USER_AUTH, "ekiden-auth", look_authprogram, check);
}
