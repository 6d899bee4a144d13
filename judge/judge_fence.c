#include "judge/judge_fence.h"

#include <stddef.h>
#include <sys/syscall.h>

#include "lib/dns.h"
#include "lib/sandbox.h"

#define MEMORY      (32u << 20) /* far more than it takes; maps of files do not count */
#define DESCRIPTORS 96          /* ASKING_AT_ONCE, and a few */

static int const calls[] = {
    SANDBOX_TALK_CALLS,
    DNS_SYSTEM_CALLS,
    SYS_writev,
    /* what is remembered: files of LMDB, their lock, and how long that is waited for */
    SYS_openat,
    SYS_fstat,
    SYS_newfstatat,
    SYS_fstatfs,
    SYS_lseek,
    SYS_pread64,
    SYS_pwrite64,
    SYS_pwritev,
    SYS_fcntl,
    SYS_setitimer,
    SYS_getdents64,
    SYS_uname,
    SYS_fsync,
    SYS_fdatasync,
    SYS_msync,
    SYS_ftruncate,
    SYS_renameat,
    SYS_unlinkat,
    SYS_fchmod,
    /* abort of a hardened library */
    SYS_mprotect,
    SYS_tgkill,
    SYS_rt_sigaction,
#ifdef SYS_open /* not on machines that came later */
    SYS_open,
    SYS_rename,
    SYS_unlink,
    SYS_alarm,
#else
    SYS_renameat2,
#endif
};

void judge_fence_close(int state, bool read_only)
{
    /* Files are not limited: the log may be one. Landlock says where others can be. */
    struct sandbox_limits const limits = {
        .memory = MEMORY, .descriptors = DESCRIPTORS, .file_size = UINT64_MAX, .processes = 0};
    struct sandbox_path const paths[] = {
        {state, SANDBOX_READ | (read_only ? 0 : SANDBOX_WRITE | SANDBOX_MOVE_ANY)}};
    sandbox_limit(&limits);
    sandbox_allow_paths(paths, state >= 0 ? 1 : 0);
    sandbox_keep_apart();
    sandbox_allow_calls(calls, sizeof calls / sizeof *calls);
}
