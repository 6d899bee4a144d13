#include "queue/inject_fence.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

#include "lib/sandbox.h"

#define MEMORY      (64u << 20) /* private and writable; a session uses a few hundred KiB */
#define DESCRIPTORS 1024
#define CALLS_MAX   96
#define COUNT(list) (sizeof(list) / sizeof *(list))

static int const session[] = {SANDBOX_TALK_CALLS, SYS_writev,  SYS_openat,    SYS_unlinkat,
                              SYS_fsync,          SYS_flock,   SYS_ftruncate, SYS_rt_sigaction,
                              SYS_tgkill,         SYS_fstatfs, SYS_fchmod};

static int const lister[] = {SYS_getdents64, SYS_fstat, SYS_newfstatat, SYS_statx,     SYS_pread64,
                             SYS_fcntl,      SYS_lseek, SYS_faccessat,  SYS_faccessat2};

static int const listener[] = {
    SYS_accept4,
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_clone,
    SYS_wait4,
    SYS_kill,
    SYS_prctl,
    SYS_prlimit64,
    SYS_getppid,
    SYS_set_robust_list,
    SYS_readv,
    SYS_seccomp,
    SYS_close_range,
    SYS_landlock_create_ruleset,
    SYS_landlock_add_rule,
    SYS_landlock_restrict_self,
#ifdef SYS_fork
    SYS_fork,
    SYS_getrlimit,
    SYS_setrlimit,
#endif
#ifdef SYS_rseq
    SYS_rseq,
#endif
};

static size_t add(int *calls, size_t count, int const *more, size_t more_count)
{
    memcpy(calls + count, more, more_count * sizeof *more);
    return count + more_count;
}

void inject_fence_listener(int queue, int folder, int control)
{
    int calls[CALLS_MAX];
    struct sandbox_limits const limits = {
        .descriptors = DESCRIPTORS, .file_size = UINT64_MAX, .processes = UINT64_MAX};
    struct sandbox_path const paths[] = {{.directory = queue, .access = SANDBOX_READ},
                                         {.directory = folder, .access = SANDBOX_WRITE},
                                         {.directory = control, .access = SANDBOX_READ}};
    sandbox_limit(&limits);
    sandbox_allow_paths(paths, COUNT(paths));
    size_t count = add(calls, 0, session, COUNT(session));
    count = add(calls, count, lister, COUNT(lister));
    count = add(calls, count, listener, COUNT(listener));
    sandbox_allow_calls(calls, count);
}

void inject_fence_session(int queue, int folder)
{
    int calls[CALLS_MAX];
    bool const lists = queue >= 0;
    /* The head of a message with a million recipients is 256 MiB. */
    struct sandbox_limits const limits = {.memory = lists ? 0 : MEMORY,
                                          .descriptors = DESCRIPTORS,
                                          .file_size = UINT64_MAX,
                                          .processes = 0};
    struct sandbox_path const paths[] = {{.directory = folder, .access = SANDBOX_WRITE},
                                         {.directory = queue, .access = SANDBOX_READ}};
    sandbox_limit(&limits);
    sandbox_allow_paths(paths, lists ? 2 : 1);
    size_t count = add(calls, 0, session, COUNT(session));
    if (lists)
        count = add(calls, count, lister, COUNT(lister));
    sandbox_allow_calls(calls, count);
}
