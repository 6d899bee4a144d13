/* Fences: what is allowed works, what is not ends the process or fails. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/sandbox.h"

/* Runs ACT in a child. Returns its exit code, or minus the signal that ended it. */
static int run(int (*act)(void))
{
    int status;
    pid_t const pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(act());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* A prime number of calls with the one that is always there, so that the tree is not balanced. */
static int const calls[] = {SYS_exit_group, SYS_getpid,  SYS_write, SYS_read, SYS_openat,
                            SYS_close,      SYS_sendmsg, SYS_brk,   SYS_mmap, SYS_munmap};

static int compare(void const *one, void const *other)
{
    return *(int const *)one - *(int const *)other;
}

/* With more memory than the C library sorts without a question to the kernel. */
static int a_large_table_is_sorted(void)
{
    static int table[100000];
    int const count = sizeof table / sizeof *table;
    sandbox_allow_calls(calls, sizeof calls / sizeof *calls);
    for (int i = 0; i < count; i++)
        table[i] = count - i;
    qsort(table, (size_t)count, sizeof *table, compare);
    return table[0] == 1 && table[count - 1] == count ? 0 : 1;
}

static int each_allowed_call_works(void)
{
    char byte;
    sandbox_allow_calls(calls, sizeof calls / sizeof *calls);
    if (syscall(SYS_getpid) <= 0 || syscall(SYS_read, -1, &byte, 1) != -1 || errno != EBADF ||
        syscall(SYS_sendmsg, -1, NULL, 0) != -1 || errno != EBADF)
        return 1;
    return syscall(SYS_close, -1) == -1 && errno == EBADF ? 0 : 2;
}

static int a_forbidden_call(void)
{
    sandbox_allow_calls(calls, sizeof calls / sizeof *calls);
    return (int)syscall(SYS_socket, 1, 1, 0);
}

/* The numbers next to an allowed one, which a wrong comparison in the tree would let through. */
static int neighbour;
static int a_neighbouring_call(void)
{
    sandbox_allow_calls(calls, sizeof calls / sizeof *calls);
    syscall(neighbour, -1, 0, 0);
    return 0;
}

static void calls_are_filtered(void **state)
{
    (void)state;
    assert_int_equal(run(each_allowed_call_works), 0);
    assert_int_equal(run(a_large_table_is_sorted), 0);
#ifndef EKIDEN_SANITIZE
    assert_int_equal(run(a_forbidden_call), -SIGSYS);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        for (int step = -1; step <= 1; step += 2) {
            bool allowed = false;
            neighbour = calls[i] + step;
            for (size_t j = 0; j < sizeof calls / sizeof *calls; j++)
                allowed |= calls[j] == neighbour;
            if (!allowed && neighbour >= 0)
                assert_int_equal(run(a_neighbouring_call), -SIGSYS);
        }
#else
    (void)a_forbidden_call;
    (void)a_neighbouring_call;
#endif
}

/* What a process that has been taken over could do to others of its user, or by way of them. */

static int const reaching[] = {SYS_exit_group, SYS_getpid, SYS_gettid, SYS_tgkill,
                               SYS_socket,     SYS_fcntl,  SYS_getppid};

static void keep_apart(void)
{
    sandbox_keep_apart();
    sandbox_allow_calls(reaching, sizeof reaching / sizeof *reaching);
}

static int what_is_its_own_is_left(void)
{
    keep_apart();
    return syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 0) == 0 && fcntl(0, F_GETFL) >= 0 &&
                   fcntl(0, F_SETFD, FD_CLOEXEC) == 0 && socket(AF_INET, SOCK_STREAM, 0) >= 0 &&
                   (socket(AF_INET6, SOCK_DGRAM, 0) >= 0 || errno == EAFNOSUPPORT)
               ? 0
               : 1;
}

static int a_signal_to_another(void)
{
    keep_apart();
    return (int)syscall(SYS_tgkill, getppid(), getppid(), 0);
}

static int a_socket_of_this_host(void)
{
    keep_apart();
    return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int a_descriptor_that_signals_another(void)
{
    keep_apart();
    return fcntl(0, F_SETOWN, getppid());
}

static int a_descriptor_with_a_signal_of_choice(void)
{
    keep_apart();
    return fcntl(0, F_SETSIG, SIGKILL);
}

static void processes_are_kept_apart(void **state)
{
    static int (*const reaches[])(void) = {a_signal_to_another, a_socket_of_this_host,
                                           a_descriptor_that_signals_another,
                                           a_descriptor_with_a_signal_of_choice};
    (void)state;
#ifdef EKIDEN_SANITIZE
    skip(); /* there are no fences */
#endif
    assert_int_equal(run(what_is_its_own_is_left), 0);
    for (size_t i = 0; i < sizeof reaches / sizeof *reaches; i++)
        assert_int_equal(run(reaches[i]), -SIGSYS);
}

static int no_path_is_left(void)
{
    sandbox_allow_paths(NULL, 0);
    int const file = open("/etc/passwd", O_RDONLY);
    return file < 0 && errno == EACCES ? 0 : 1;
}

static int only_its_folder_is_left(void)
{
    struct sandbox_path const path = {.directory = open("/tmp", O_RDONLY | O_DIRECTORY),
                                      .access = SANDBOX_WRITE};
    sandbox_allow_paths(&path, 1);
    int const made = openat(path.directory, ".", O_TMPFILE | O_WRONLY, 0600);
    return open("/etc/passwd", O_RDONLY) < 0 && open("/tmp", O_RDONLY) < 0 &&
                   (made >= 0 || errno == EOPNOTSUPP)
               ? 0
               : 1;
}

static void paths_are_fenced(void **state)
{
    (void)state;
#ifndef EKIDEN_SANITIZE
    /* the kernel's own word on whether there is a Landlock to test */
    if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1U) < 2)
        skip();
    assert_int_equal(run(no_path_is_left), 0);
    assert_int_equal(run(only_its_folder_is_left), 0);
#else
    (void)no_path_is_left;
    (void)only_its_folder_is_left;
#endif
}

static int limits_hold(void)
{
    struct sandbox_limits const limits = {
        .descriptors = 8, .file_size = 0, .processes = UINT64_MAX};
    sandbox_limit(&limits);
    for (int i = 0; i < 8; i++)
        if (dup(0) < 0)
            return errno == EMFILE ? 0 : 1;
    return 2;
}

#ifndef EKIDEN_SANITIZE
static int address_space_ends(void)
{
    struct sandbox_limits const limits = {
        .address_space = 64 << 20, .file_size = UINT64_MAX, .processes = UINT64_MAX};
    sandbox_limit(&limits);
    /* A compiler may leave out an allocation that nobody reads, and take it for one that succeeded.
     */
    void *volatile small = malloc(1 << 20);
    void *volatile large = malloc(64 << 20);
    return small && !large ? 0 : 1;
}
#endif

static void limits_are_set(void **state)
{
    (void)state;
    assert_int_equal(run(limits_hold), 0);
#ifndef EKIDEN_SANITIZE
    assert_int_equal(run(address_space_ends), 0);
#endif
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(calls_are_filtered),
        cmocka_unit_test(processes_are_kept_apart),
        cmocka_unit_test(paths_are_fenced),
        cmocka_unit_test(limits_are_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
