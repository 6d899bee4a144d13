#include "auth/fence.h"

#include <stddef.h>
#include <sys/syscall.h>

#include "lib/sandbox.h"

#define MEMORY      (192u << 20) /* yescrypt takes 16 MiB, scrypt as crypt makes it 64 */
#define FILE_SIZE   (256u << 20) /* a saved table of passwords; the store is 64 MiB at most */
#define DESCRIPTORS 32

static int const calls[] = {
    SYS_read,
    SYS_write,
    SYS_writev,
    SYS_close,
    SYS_openat,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_lseek,
    SYS_pread64,
    SYS_pwrite64,
    SYS_fcntl,
    SYS_flock,
    /* the store, the table of passwords */
    SYS_fstatfs,
    SYS_uname,
    SYS_fdatasync,
    SYS_fsync,
    SYS_ftruncate,
    SYS_renameat,
    SYS_unlinkat,
    SYS_fchmod,
    SYS_fchown,
    SYS_memfd_create,
    SYS_msync,
    /* another program, which runs already */
    SYS_wait4,
    SYS_kill,
    /* time and chance */
    SYS_clock_gettime,
    SYS_gettimeofday,
    SYS_clock_nanosleep,
    SYS_ppoll,
    SYS_getrandom,
    SYS_setitimer,
    SYS_restart_syscall,
    /* memory; abort of a hardened library */
    SYS_brk,
    SYS_mmap,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_mprotect,
    SYS_futex,
    SYS_getpid,
    SYS_gettid,
    SYS_tgkill,
    SYS_rt_sigprocmask,
    SYS_rt_sigaction,
    SYS_rt_sigreturn,
    SYS_exit,
    SYS_exit_group,
#ifdef SYS_open /* not on machines that came later */
    SYS_open,
    SYS_poll,
    SYS_time,
    SYS_rename,
    SYS_unlink,
    SYS_alarm,
    SYS_nanosleep,
#else
    SYS_renameat2,
#endif
};

void fence_close(int state, int passwords)
{
    struct sandbox_limits const limits = {
        .memory = MEMORY, .descriptors = DESCRIPTORS, .file_size = FILE_SIZE, .processes = 0};
    /* Of the passwords' folder more than reading: a large table is saved beside its source. */
    struct sandbox_path const paths[] = {{state, SANDBOX_READ | SANDBOX_WRITE},
                                         {passwords, SANDBOX_READ | SANDBOX_WRITE}};
    sandbox_limit(&limits);
    sandbox_allow_paths(paths, passwords >= 0 ? 2 : 1);
    sandbox_allow_calls(calls, sizeof calls / sizeof *calls);
}
