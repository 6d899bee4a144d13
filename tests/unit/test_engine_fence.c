/* What an engine that has been taken over cannot do to the other processes of its user. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tls/engine.h"

static int call_kill(pid_t other)
{
    return (int)syscall(SYS_kill, other, SIGSTOP);
}

static int call_tgkill(pid_t other)
{
    return (int)syscall(SYS_tgkill, other, other, SIGSTOP);
}

static int call_tkill(pid_t other)
{
    return (int)syscall(SYS_tkill, other, SIGSTOP);
}

static int call_sigqueue(pid_t other)
{
    siginfo_t info = {.si_code = SI_QUEUE};
    return (int)syscall(SYS_rt_sigqueueinfo, other, SIGSTOP, &info);
}

static int call_ptrace(pid_t other)
{
    return (int)syscall(SYS_ptrace, 16, other, 0, 0); /* PTRACE_ATTACH */
}

static int call_prlimit(pid_t other)
{
    return (int)syscall(SYS_prlimit64, other, 7, NULL, NULL);
}

static void test_others_are_out_of_reach(void **state)
{
    static int (*const calls[])(pid_t) = {call_kill,     call_tgkill, call_tkill,
                                          call_sigqueue, call_ptrace, call_prlimit};
    (void)state;
#ifdef EKIDEN_SANITIZE
    skip(); /* there are no fences */
#endif
    pid_t const other = fork();
    if (other == 0)
        for (;;)
            pause();
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        int status;
        pid_t const pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            engine_fence();
            calls[i](other);
            _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSYS);
    }
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
}

int main(void)
{
    struct CMUnitTest const tests[] = {cmocka_unit_test(test_others_are_out_of_reach)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
