/* Each program's settings, loaded by its own loader under its own user. Before anything is freed
 * the process ends. */
#include <stddef.h>

#include "auth/auth_settings.h"
#include "auth/passwords.h"
#include "configured.h"
#include "deliver/launch_settings.h"
#include "deliver/mail_quotas.h"
#include "deliver/remote_settings.h"
#include "judge/judge_settings.h"
#include "lib/control_host.h"
#include "queue/bounce_settings.h"
#include "queue/inject_peer.h"
#include "queue/send_settings.h"
#include "smtpd/settings.h"
#include "tls/anchors.h"
#include "tools/check.h"
#include "tools/sender_names.h"

static struct control_error error; /* what is in it was told already */

static void look_smtpd(struct checked const *check)
{
    struct settings settings;
    (void)settings_load(&settings, &check->control, &error);
}

static void look_judge(struct checked const *check)
{
    struct judge_settings settings;
    (void)judge_settings_load(&settings, &check->control, &error);
}

/* A line that concerns one login only stops nobody else. */
static bool look_password(void *context, char const *line, size_t length, unsigned int number,
                          struct control_error *problem)
{
    static char const not_shown[] = "a line that is not shown";
    char login[LOGIN_MAX + 1];
    char const *hash;
    size_t hash_length;
    (void)context, (void)number;
    if (!passwords_split(login, &hash, &hash_length, line, length))
        return control_fail_hint(problem, "LOGIN:HASH", not_shown, sizeof not_shown - 1,
                                 "make it by ekiden-passwd");
    char const *const refusal = hash_refusal(hash, hash_length);
    return !refusal || control_fail_hint(problem, "a hash as ekiden-passwd makes it", not_shown,
                                         sizeof not_shown - 1, refusal);
}

static void look_auth(struct checked const *check)
{
    static struct passwords passwords;
    struct auth_settings settings;
    (void)auth_settings_load(&settings, &check->control, &error);
    if (!settings.program.len &&
        passwords_open(&passwords, &check->control, &error) == CONTROL_OK &&
        passwords_load(&passwords, &error) == CONTROL_OK)
        (void)control_secret_lines(&passwords.folder, PASSWORDS_FILE, look_password, NULL, &error);
}

static void look_send(struct checked const *check)
{
    struct send_settings settings = {.loaded = false};
    (void)send_settings_load(&settings, &check->control, &error);
}

static void look_bounce(struct checked const *check)
{
    struct bounce_settings settings;
    (void)bounce_settings_load(&settings, &check->control, &error);
}

static void look_launch(struct checked const *check)
{
    struct launch_settings settings = {.default_delivery = STRALLOC_ZERO};
    (void)launch_settings_load(&settings, &check->control, &error);
}

static void look_local(struct checked const *check)
{
    struct mail_quotas quotas;
    mail_quotas_start(&quotas, &check->control);
}

static void look_remote(struct checked const *check)
{
    struct remote_settings settings;
    (void)remote_settings_load(&settings, &check->control, &error);
}

static void look_spf(struct checked const *check)
{
    struct dns_servers servers;
    if (dns_servers_load(&servers, &check->control, NULL, &error) == CONTROL_ERROR)
        check_tell(CHECK_ERROR, "%s", error.text); /* /etc/resolv.conf is no control file */
}

/* One certificate is enough: what else is in the bundle is the system's. */
static void look_tls(struct checked const *check)
{
    struct anchors anchors;
    anchors_read(&anchors, &check->control);
    while (anchors_are_waiting(&anchors) && !anchors.count)
        anchors_decode_next(&anchors, false);
    if (!anchors.count)
        check_tell(CHECK_WARNING,
                   "%s/" ANCHORS_CONTROL ": %s; expected a PEM file of authorities, without which "
                   "no server's certificate is verified; install ca-certificates, or name another "
                   "file",
                   check->control.path, anchors.problem);
}

static void look_queue(struct checked const *check)
{
    struct inject_settings settings;
    (void)inject_settings_load(&settings, &check->control, &error);
}

/* Every user of this machine reads these. */
static void look_inject(struct checked const *check)
{
    char *host;
    if (control_me(&host, &check->control, &error) == CONTROL_ERROR)
        return;
    for (char const *const *name = sender_names_files; *name; name++)
        (void)control_host(&host, &check->control, *name, "localhost", &error);
}

void check_programs(struct checked const *check)
{
    static struct {
        char const *program, *user;
        void (*look)(struct checked const *);
    } const rows[] = {{"ekiden-smtpd", NULL, look_smtpd},
                      {"ekiden-judge", CONFIGURED_USER_JUDGE, look_judge},
                      {"ekiden-spf", CONFIGURED_USER_SPF, look_spf},
                      {"ekiden-auth", CONFIGURED_USER_AUTH, look_auth},
                      {"ekiden-send", CONFIGURED_USER_SCHEDULER, look_send},
                      {"ekiden-bounce", CONFIGURED_USER_INJECTOR, look_bounce},
                      {"ekiden-launch", NULL, look_launch},
                      {"ekiden-local", CONFIGURED_USER_LOCAL, look_local},
                      {"ekiden-remote", CONFIGURED_USER_REMOTE, look_remote},
                      {"ekiden-tls", CONFIGURED_USER_TLS, look_tls},
                      {"ekiden-queue", CONFIGURED_USER_INJECTOR, look_queue},
                      {"ekiden-inject", CONFIGURED_USER_DIALOGUE, look_inject}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_as(rows[i].user, rows[i].program, rows[i].look, check);
}
