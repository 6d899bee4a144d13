#include "queue/send_fence.h"

#include <stdint.h>
#include <sys/syscall.h>

#include "lib/sandbox.h"
#include "queue/send_active.h"
#include "queue/send_agent.h"
#include "queue/send_control.h"

static int const calls[] = {
    /* the loop */
    SYS_poll, SYS_ppoll, SYS_restart_syscall, SYS_clock_gettime, SYS_gettimeofday, SYS_wait4,
    SYS_nanosleep, SYS_clock_nanosleep, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn,
    SYS_signalfd4, SYS_exit, SYS_exit_group, SYS_getpid, SYS_geteuid, SYS_gettid, SYS_tgkill,
    /* the queue */
    SYS_openat, SYS_close, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_getdents64, SYS_lseek,
    SYS_read, SYS_pread64, SYS_pwrite64, SYS_fdatasync, SYS_flock, SYS_renameat, SYS_renameat2,
    SYS_unlinkat, SYS_mkdirat, SYS_faccessat, SYS_faccessat2, SYS_ioctl, SYS_fcntl,
    /* agents, operators and log */
    SYS_sendmsg, SYS_recvmsg, SYS_write, SYS_writev, SYS_accept4, SYS_getsockopt,
    /* control files and their tables when they changed; the fence of folders refuses to write one
     */
    SYS_memfd_create, SYS_ftruncate, SYS_fsync, SYS_fchmod, SYS_fchown, SYS_readv, SYS_uname,
    SYS_getrandom,
    /* memory */
    SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_futex};

/* One a message, one an agent, the notes of reports, operators, and some. */
#define DESCRIPTORS (SEND_ACTIVE_MAX + SEND_AGENTS_MAX + SEND_CONTROL_CLIENTS + 64)

void send_fence(int queue, int control, int accounts)
{
    struct sandbox_limits const limits = {
        .descriptors = DESCRIPTORS, .file_size = UINT64_MAX, .processes = 0};
    struct sandbox_path const paths[] = {
        {.directory = queue, .access = SANDBOX_READ | SANDBOX_WRITE | SANDBOX_MOVE_ANY},
        {.directory = control, .access = SANDBOX_READ},
        {.directory = accounts, .access = SANDBOX_READ}};
    sandbox_limit(&limits);
    sandbox_allow_paths(paths, sizeof paths / sizeof *paths);
    sandbox_allow_calls(calls, sizeof calls / sizeof *calls);
}
