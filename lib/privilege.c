#include "lib/privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "configured.h"
#include "lib/log.h"

#define PASSWORD_FILE "/etc/passwd"

bool privilege_is_root(void)
{
    return geteuid() == 0 || getuid() == 0;
}

enum find_result { FOUND, MISSING, UNREADABLE };

/* fgetpwent reads the file itself; getpwnam would load name service modules into a static program.
 */
static enum find_result find_in_file(struct privilege_user *user, char const *name)
{
    FILE *const file = fopen(PASSWORD_FILE, "re");
    if (!file)
        return UNREADABLE;
    enum find_result result = MISSING;
    struct passwd const *entry;
    while (result == MISSING && (entry = fgetpwent(file)))
        if (!strcmp(entry->pw_name, name)) {
            *user =
                (struct privilege_user){.name = name, .uid = entry->pw_uid, .gid = entry->pw_gid};
            result = FOUND;
        }
    fclose(file);
    return result;
}

static bool any_of_ours_exists(void)
{
    static char const *const ours[] = {CONFIGURED_USER_DIALOGUE,  CONFIGURED_USER_INJECTOR,
                                       CONFIGURED_USER_SCHEDULER, CONFIGURED_USER_LOCAL,
                                       CONFIGURED_USER_REMOTE,    CONFIGURED_USER_TLS,
                                       CONFIGURED_USER_KEY,       CONFIGURED_USER_AUTH,
                                       CONFIGURED_USER_JUDGE,     CONFIGURED_USER_SPF};
    struct privilege_user user;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (find_in_file(&user, ours[i]) == FOUND)
            return true;
    return false;
}

static void log_user(char const *name, char const *what)
{
    struct log_line line;
    log_begin(&line, "user-unusable");
    log_text(&line, "user", name);
    log_text(&line, "what", what);
    log_write(&line);
}

bool privilege_find(struct privilege_user *user, char const *name)
{
    if (!privilege_is_root()) {
        *user = (struct privilege_user){.name = name, .uid = getuid(), .gid = getgid()};
        return true;
    }
    enum find_result result = find_in_file(user, name);
    if (result == MISSING && !any_of_ours_exists()) {
        result = find_in_file(user, "nobody");
        user->name = name;
    }
    if (result == UNREADABLE) {
        log_failure("user-unusable", "cannot read " PASSWORD_FILE, errno);
        return false;
    }
    if (result == MISSING) {
        log_user(name, "no such user in " PASSWORD_FILE "; make it (systemd-sysusers, or INSTALL)");
        return false;
    }
    if (user->uid == 0 || user->gid == 0) {
        log_user(name, "has uid or gid 0: give the user numbers of its own");
        return false;
    }
    return true;
}

bool privilege_uid(char const *name, uid_t *uid)
{
    struct privilege_user user;
    bool const found = find_in_file(&user, name) == FOUND;
    if (found)
        *uid = user.uid;
    return found;
}

static void die(char const *what)
{
    log_failure("privilege-not-dropped", what, errno);
    _exit(111);
}

static void change_user(struct privilege_user const *user, char const *root)
{
    if (root && (chroot(root) != 0 || chdir("/") != 0))
        die("chroot");
    if (setgroups(0, NULL) != 0)
        die("setgroups");
    if (setresgid(user->gid, user->gid, user->gid) != 0)
        die("setresgid");
    if (setresuid(user->uid, user->uid, user->uid) != 0)
        die("setresuid");
    if (user->uid == 0 || setuid(0) == 0 || geteuid() == 0) {
        errno = EPERM;
        die("uid 0 could be regained");
    }
}

static void clear_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct const none[2] = {0};
    if (syscall(SYS_capset, &header, none) != 0)
        die("capset");
}

/* The kernel forgets at a change of user that a process wanted to end with its parent. */
static void change_user_keeping_parent(struct privilege_user const *user, char const *root)
{
    int signal = 0;
    pid_t const parent = getppid();
    if (prctl(PR_GET_PDEATHSIG, &signal, 0, 0, 0) != 0)
        die("PR_GET_PDEATHSIG");
    change_user(user, root);
    if (!signal)
        return;
    if (prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0) != 0)
        die("PR_SET_PDEATHSIG");
    if (getppid() != parent)
        raise(signal);
}

void privilege_drop(struct privilege_user const *user, char const *root)
{
    if (privilege_is_root())
        change_user_keeping_parent(user, root);
    clear_capabilities();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        die("no_new_privs");
    struct rlimit const no_core = {0, 0};
    if (setrlimit(RLIMIT_CORE, &no_core) != 0)
        die("no core files");
#ifndef EKIDEN_SANITIZE /* the leak checker looks into its own process by ptrace */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        die("not dumpable");
#endif
}

static bool changes_users(int capability)
{
    return capability == CAP_SETUID || capability == CAP_SETGID;
}

/* The kernel gives uid 0 all that is in the bounding set at each execve. A process without
 * CAP_SETPCAP cannot make that set smaller; then no_new_privs keeps an execve from giving more than
 * there was before. */
static void bound_capabilities(void)
{
    for (int capability = 0; capability <= CAP_LAST_CAP; capability++) {
        if (changes_users(capability) || prctl(PR_CAPBSET_READ, capability, 0, 0, 0) != 1)
            continue;
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0)
            continue;
        if (errno != EPERM || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
            die("the bounding set of capabilities");
        return;
    }
}

void privilege_keep_changing_users(void)
{
    if (!privilege_is_root())
        return;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    data[0].permitted = data[0].effective = 1u << CAP_SETUID | 1u << CAP_SETGID;
    if (setgroups(0, NULL) != 0)
        die("setgroups");
    bound_capabilities();
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
        die("ambient capabilities");
    if (syscall(SYS_capset, &header, data) != 0)
        die("capset");
}

void privilege_refuse_root(void)
{
    if (!privilege_is_root())
        return;
    log_failure("refused", "this program faces others and never runs as root", 0);
    _exit(100);
}
