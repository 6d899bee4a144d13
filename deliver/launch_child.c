#include "deliver/launch_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <skalibs/djbunix.h>

#include "lib/log.h"
#include "lib/privilege.h"

/* Two group numbers that mean nobody: one of them is not the user's. */
#define GROUP_NOBODY    65534
#define GROUP_NO_BETTER 65533

#define PROGRAM_DESCRIPTOR 3

static _Noreturn void die(char const *what)
{
    log_failure("privilege-not-dropped", what, errno);
    _exit(111);
}

static void give_up_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct const none[2] = {0};
    if (syscall(SYS_capset, &header, none) != 0)
        die("capset");
}

static void forbid_new_privilege(void)
{
    struct rlimit const no_core = {0, 0};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || setrlimit(RLIMIT_CORE, &no_core) != 0)
        die("no_new_privs");
#ifndef EKIDEN_SANITIZE /* the leak checker looks into its own process by ptrace */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        die("not dumpable");
#endif
}

void launch_child_restrict(void)
{
    if (privilege_is_root())
        privilege_keep_changing_users();
    else
        give_up_capabilities();
    forbid_new_privilege();
}

/* Becomes ACCOUNT for good, with no groups but its own. The effective group is left at another
 * number, which gives no right to anything: the kernel makes a program not dumpable when the two
 * groups differ at its exec, so that the user's processes cannot trace it before it has said so
 * itself. With no_new_privs some kernels make the two groups one at that moment and others leave
 * that to the program (close_ranks); for the exec itself it is too late in both cases. */
static void become_user(struct launch_account const *account)
{
    gid_t const other = account->gid != GROUP_NOBODY ? GROUP_NOBODY : GROUP_NO_BETTER;
    if (setgroups(1, &account->gid) != 0)
        die("setgroups");
    if (setresgid(account->gid, other, account->gid) != 0)
        die("setresgid");
    if (setresuid(account->uid, account->uid, account->uid) != 0)
        die("setresuid");
    if (account->uid == 0 || setuid(0) == 0 || setgid(0) == 0 || geteuid() != account->uid ||
        getuid() != account->uid || getgid() != account->gid) {
        errno = EPERM;
        die("root could be regained");
    }
}

/* Descriptor 0 is the socket, 1 nothing, 2 the log, 3 the program until it is executed; all others,
 * and with them the mail of other users, are closed before this process is one of the user, who can
 * stop it at any moment. */
static void arrange_descriptors(int program, int socket)
{
    int const nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int const copy = fcntl(program, F_DUPFD_CLOEXEC, PROGRAM_DESCRIPTOR);
    if (nothing < 0 || copy < 0 || dup2(socket, 0) < 0 || dup2(nothing, 1) < 0)
        die("descriptors");
    if (copy != PROGRAM_DESCRIPTOR && dup3(copy, PROGRAM_DESCRIPTOR, O_CLOEXEC) < 0)
        die("descriptors");
    if (syscall(SYS_close_range, PROGRAM_DESCRIPTOR + 1u, ~0u, 0u) != 0)
        die("close_range");
}

static void reset_signals(void)
{
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL);
    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) != 0)
        die("signals");
}

/* A program that is executed by its descriptor, with nothing of our environment. */
static _Noreturn void execute(struct launch_program const *program,
                              struct launch_settings const *settings,
                              struct launch_account const *account)
{
    char seconds[24];
    snprintf(seconds, sizeof seconds, "%llu", (unsigned long long)settings->program_seconds);
    char const *const arguments[] = {"ekiden-dotqmail",
                                     "-u",
                                     account->name,
                                     "-d",
                                     account->home,
                                     "-i",
                                     program->inject,
                                     "-t",
                                     seconds,
                                     "-D",
                                     settings->default_delivery.s,
                                     NULL};
    char *environment[] = {NULL, NULL};
#ifdef EKIDEN_SANITIZE
    char options[4096];
    if (getenv("ASAN_OPTIONS")) {
        snprintf(options, sizeof options, "ASAN_OPTIONS=%s", getenv("ASAN_OPTIONS"));
        environment[0] = options;
    }
#endif
    syscall(SYS_execveat, PROGRAM_DESCRIPTOR, "", arguments, environment, AT_EMPTY_PATH);
    die("ekiden-dotqmail");
}

pid_t launch_child_start(struct launch_program const *program,
                         struct launch_settings const *settings,
                         struct launch_account const *account, int socket)
{
    pid_t const pid = fork();
    if (pid != 0)
        return pid;
    arrange_descriptors(program->descriptor, socket);
    reset_signals();
    if (privilege_is_root())
        become_user(account);
    give_up_capabilities();
    forbid_new_privilege();
    execute(program, settings, account);
}

/* Root without CAP_KILL may not signal others, but it may become them. What does it is not dumpable
 * (it changed its uid), has no descriptor, and if its user stops or kills it, no harm is done but
 * to himself. */
void launch_child_kill(pid_t pid, uid_t uid)
{
    if (!privilege_is_root()) {
        (void)kill(pid, SIGKILL);
        return;
    }
    pid_t const helper = fork();
    if (helper < 0)
        log_failure("delivery-not-killed", "fork", errno);
    if (helper != 0)
        return;
    if (syscall(SYS_close_range, 0u, ~0u, 0u) == 0 && setgroups(0, NULL) == 0 &&
        setresgid(GROUP_NOBODY, GROUP_NOBODY, GROUP_NOBODY) == 0 && setresuid(uid, uid, uid) == 0)
        (void)kill(pid, SIGKILL);
    _exit(0);
}
