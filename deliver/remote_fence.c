#include "deliver/remote_fence.h"

#include <stdint.h>
#include <sys/syscall.h>

#include "lib/dns.h"
#include "lib/sandbox.h"

#define MEMORY_MAX (64u << 20)
/* Far more than one has: the kernel also holds the descriptors that all processes of a user have on
 * their way through sockets (four in each request for TLS) against the sender's limit
 * (ETOOMANYREFS), and a limit that the master has lowered stays low for the deliveries. */
#define DESCRIPTORS_MAX 65536

#ifdef SYS_poll
#define POLL_CALLS SYS_poll, SYS_ppoll
#else
#define POLL_CALLS SYS_ppoll
#endif
#define NETWORK_CALLS                                                                              \
    DNS_SYSTEM_CALLS, /* the connection */                                                         \
        POLL_CALLS, SYS_bind, SYS_getsockopt, SYS_setsockopt, SYS_getsockname, SYS_getpeername,    \
        SYS_shutdown, SYS_fcntl, SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_socketpair,       \
        SYS_recvmsg,              /* the message, the results, the log, an engine of TLS */        \
        SYS_pread64, SYS_sendmsg, /* skalibs, libc */                                              \
        SYS_clock_nanosleep, SYS_nanosleep, SYS_restart_syscall, SYS_rt_sigaction,                 \
        SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_getpid, SYS_gettid, SYS_tgkill, SYS_uname,       \
        SYS_exit, SYS_exit_group, SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect,         \
        SYS_madvise, SYS_futex

static int const network_calls[] = {NETWORK_CALLS};

static int const master_calls[] = {
    NETWORK_CALLS,
    /* control files and resolv.conf */
    SYS_openat,
    SYS_newfstatat,
    SYS_fstat,
    SYS_statx,
    SYS_faccessat2,
    SYS_lseek,
    /* tables: compiled in memory, saved beside their source */
    SYS_memfd_create,
    SYS_ftruncate,
    SYS_fsync,
    SYS_pwrite64,
    SYS_fchmod,
    SYS_fchown,
    SYS_fchown,
    SYS_renameat,
    SYS_unlinkat,
#ifdef SYS_stat
    SYS_stat,
#endif
    /* processes */
    SYS_clone,
    SYS_set_robust_list,
    SYS_wait4,
    SYS_kill,
    SYS_signalfd4,
    /* what a new one does before its own fence */
    SYS_prctl,
    SYS_getppid,
    SYS_dup3,
    SYS_close_range,
    SYS_prlimit64,
    SYS_getrlimit,
    SYS_setrlimit,
    SYS_landlock_create_ruleset,
    SYS_landlock_restrict_self,
    SYS_seccomp,
#ifdef SYS_dup2
    SYS_dup2,
#endif
};

void remote_fence_enter_master(void)
{
    struct sandbox_limits const limits = {
        .descriptors = DESCRIPTORS_MAX, .file_size = UINT64_MAX, .processes = UINT64_MAX};
    sandbox_limit(&limits);
    sandbox_allow_calls(master_calls, sizeof master_calls / sizeof *master_calls);
}

void remote_fence_enter(bool socket)
{
    struct sandbox_limits const limits = {.memory = MEMORY_MAX,
                                          .descriptors = DESCRIPTORS_MAX,
                                          .file_size = UINT64_MAX,
                                          .processes = 0};
    sandbox_limit(&limits);
    sandbox_allow_paths(NULL, 0);
    if (!socket)
        sandbox_keep_apart();
    sandbox_allow_calls(network_calls, sizeof network_calls / sizeof *network_calls);
}
