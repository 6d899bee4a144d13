#include "deliver/remote_fence.h"

#include <stdint.h>
#include <sys/syscall.h>

#include "lib/dns.h"
#include "lib/sandbox.h"

#define MEMORY_MAX      (64u << 20)
#define DESCRIPTORS_MAX 128 /* one a question to the DNS, and a few */

static int const calls[] = {
    DNS_SYSTEM_CALLS,
    /* the connection */
    SYS_poll, SYS_ppoll, SYS_bind, SYS_getsockopt, SYS_setsockopt, SYS_getsockname, SYS_getpeername,
    SYS_shutdown, SYS_fcntl, SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_recvmsg,
    /* the message, the results, the log */
    SYS_pread64, SYS_sendmsg,
    /* skalibs, libc */
    SYS_clock_nanosleep, SYS_nanosleep, SYS_restart_syscall, SYS_rt_sigaction, SYS_rt_sigprocmask,
    SYS_rt_sigreturn, SYS_getpid, SYS_gettid, SYS_tgkill, SYS_uname, SYS_exit, SYS_exit_group,
    SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_futex};

void remote_fence_enter(void)
{
    struct sandbox_limits const limits = {.memory = MEMORY_MAX,
                                          .descriptors = DESCRIPTORS_MAX,
                                          .file_size = UINT64_MAX,
                                          .processes = 0};
    sandbox_limit(&limits);
    sandbox_allow_paths(NULL, 0);
    sandbox_allow_calls(calls, sizeof calls / sizeof *calls);
}
