/* deliver/launch_child.h: what the delivery process is when it begins to run. As root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deliver/launch_child.h"

#define UID 54321
#define GID 54322

/* What the started program (this one again) sees first, and says. */
struct seen {
    int dumpable, no_new_privs;
    uid_t uid[3];
    gid_t gid[3], groups[8];
    int group_count, descriptors;
    size_t environment;
    unsigned long long capabilities;
    int arguments;
    char user[16], home[16];
    bool blocked;
};

static unsigned long long read_capabilities(void)
{
    char line[200];
    unsigned long long all = 0, value;
    FILE *const status = fopen("/proc/self/status", "re");
    while (status && fgets(line, sizeof line, status))
        if (!strncmp(line, "Cap", 3) && strncmp(line, "CapBnd", 6) != 0 &&
            sscanf(line + 7, "%llx", &value) == 1)
            all |= value;
    if (status)
        fclose(status);
    return all;
}

static int count_descriptors(void)
{
    int count = 0;
    DIR *const folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count - 3; /* `.`, `..`, and that of the folder */
}

static int be_the_program(int argc, char **argv)
{
    static struct seen seen;
    sigset_t blocked;
    seen.dumpable = prctl(PR_GET_DUMPABLE);
    seen.no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    (void)getresuid(&seen.uid[0], &seen.uid[1], &seen.uid[2]);
    (void)getresgid(&seen.gid[0], &seen.gid[1], &seen.gid[2]);
    seen.group_count = getgroups(8, seen.groups);
    seen.descriptors = count_descriptors();
    seen.capabilities = read_capabilities();
    for (seen.environment = 0; environ[seen.environment];)
        seen.environment++;
    seen.arguments = argc;
    snprintf(seen.user, sizeof seen.user, "%.15s", argv[2]);
    snprintf(seen.home, sizeof seen.home, "%.15s", argv[4]);
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    for (int number = 1; number < NSIG; number++)
        seen.blocked = seen.blocked || sigismember(&blocked, number) > 0;
    return write(0, &seen, sizeof seen) == sizeof seen ? 0 : 1;
}

/* In a process that may give its privilege away. */
static int start_and_ask(int answer)
{
    struct launch_program program = {.descriptor = open("/proc/self/exe", O_PATH | O_CLOEXEC),
                                     .inject = "/nowhere"};
    struct launch_settings settings = {.program_seconds = 300};
    struct launch_account const account = {.name = "ann", .home = "/home", .uid = UID, .gid = GID};
    int ends[2], status;
    struct seen seen;
    sigset_t all;
    launch_child_restrict();
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    (void)!dup(open("/dev/null", O_RDONLY)); /* strays that are not close-on-exec */
    if (!stralloc_copys(&settings.default_delivery, "./Maildir/") ||
        !stralloc_0(&settings.default_delivery) || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        return 2;
    pid_t const pid = launch_child_start(&program, &settings, &account, ends[1]);
    close(ends[1]);
    if (pid < 0 || read(ends[0], &seen, sizeof seen) != sizeof seen)
        return 3;
    waitpid(pid, &status, 0);
    stralloc_free(&settings.default_delivery);
    return write(answer, &seen, sizeof seen) == sizeof seen ? 0 : 4;
}

static void it_is_the_user_alone(void **state)
{
    struct seen seen;
    int ends[2], status;
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(pipe(ends), 0);
    pid_t const pid = fork();
    if (pid == 0) {
        clearenv();
        _exit(start_and_ask(ends[1]));
    }
    close(ends[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(read(ends[0], &seen, sizeof seen), sizeof seen);
    close(ends[0]);
    for (int i = 0; i < 3; i++)
        assert_int_equal(seen.uid[i], UID);
    assert_int_equal(seen.gid[0], GID);
    for (int i = 1; i < 3; i++)
        assert_true(seen.gid[i] == GID || seen.gid[i] == 65534);
    assert_int_equal(seen.group_count, 1);
    assert_int_equal(seen.groups[0], GID);
    assert_int_equal(seen.capabilities, 0);
    assert_int_equal(seen.no_new_privs, 1);
    assert_int_equal(seen.descriptors, 3);
    assert_int_equal(seen.environment, 0);
    assert_int_equal(seen.arguments, 11);
    assert_string_equal(seen.user, "ann");
    assert_string_equal(seen.home, "/home");
    assert_false(seen.blocked);
    /* From the very first instruction, though the file may be read by anybody: its user's programs
     * cannot look into it (2: the kernel's own choice, for root alone). */
    assert_int_not_equal(seen.dumpable, 1);
}

/* A process that ignores all signals is killed by who has neither its uid nor CAP_KILL. */
static void a_user_s_process_can_be_killed(void **state)
{
    int status, ready[2];
    char byte;
    (void)state;
    if (geteuid() != 0)
        skip();
    pid_t const killer = fork();
    if (killer == 0) {
        launch_child_restrict();
        if (pipe(ready) != 0)
            _exit(2);
        pid_t const victim = fork();
        if (victim == 0) {
            if (setgroups(0, NULL) != 0 || setresgid(GID, GID, GID) != 0 ||
                setresuid(UID, UID, UID) != 0 || write(ready[1], "", 1) != 1)
                _exit(3);
            for (;;)
                raise(SIGSTOP);
        }
        if (read(ready[0], &byte, 1) != 1)
            _exit(4);
        if (kill(victim, SIGKILL) == 0 || errno != EPERM)
            _exit(5); /* then nothing is shown */
        launch_child_kill(victim, UID);
        if (waitpid(victim, &status, 0) != victim)
            _exit(6);
        _exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? 0 : 7);
    }
    assert_int_equal(waitpid(killer, &status, 0), killer);
    assert_int_equal(status, 0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "-u"))
        return be_the_program(argc, argv);
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(it_is_the_user_alone),
        cmocka_unit_test(a_user_s_process_can_be_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
