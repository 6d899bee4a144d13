#include "smtpd/fence.h"

#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "lib/sandbox.h"

#define MEMORY (64u << 20) /* private and writable; sessions use a few hundred KiB */
/* Far more than one session has: the kernel also holds the descriptors that all processes of a user
 * have on their way through sockets against the sender's limit (ETOOMANYREFS). */
#define DESCRIPTORS 65536
#define CALLS_MAX   96
#define COUNT(list) (sizeof(list) / sizeof *(list))

/* What both kinds do. */
static int const common[] = {SANDBOX_TALK_CALLS,  SYS_readv,    SYS_writev,
                             SYS_sendto,          SYS_recvfrom, SYS_rt_sigaction,
                             SYS_clock_nanosleep, SYS_tgkill,   SYS_fcntl};

static int const dialogue[] = {SYS_socketpair, SYS_getpeername, SYS_getsockname,
                               SYS_setsockopt, SYS_shutdown,    SYS_fstatfs};

static int const injector[] = {SYS_openat, SYS_unlinkat,  SYS_fsync,  SYS_fdatasync,
                               SYS_flock,  SYS_ftruncate, SYS_fchmod, SYS_umask};

static int const template_only[] = {
    SYS_clone,       SYS_wait4,           SYS_kill,
    SYS_prctl,       SYS_prlimit64,       SYS_getppid,
    SYS_accept4,     SYS_epoll_create1,   SYS_epoll_ctl,
    SYS_epoll_pwait, SYS_set_robust_list,
#ifdef SYS_fork
    SYS_fork,
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

static void allow(int const *own, size_t own_count, bool template)
{
    int calls[CALLS_MAX];
    size_t count = add(calls, 0, common, COUNT(common));
    count = add(calls, count, own, own_count);
    if (template)
        count = add(calls, count, template_only, COUNT(template_only));
    sandbox_allow_calls(calls, count);
}

/* What is left of the descriptors for those who answer: where all are one user's, askers could else
 * use up the limit with requests that wait, and their answers with it. */
static uint64_t askers_share(void)
{
    struct rlimit hard;
    uint64_t const most = getrlimit(RLIMIT_NOFILE, &hard) == 0 && hard.rlim_max < DESCRIPTORS
                              ? hard.rlim_max
                              : DESCRIPTORS;
    return most - most / 4;
}

static void limit(uint64_t descriptors)
{
    struct sandbox_limits const limits = {.memory = MEMORY,
                                          .descriptors = descriptors,
                                          .file_size = UINT64_MAX, /* the log may be a file */
                                          .processes = UINT64_MAX};
    sandbox_limit(&limits);
}

void fence_dialogue(bool template)
{
    limit(askers_share());
    sandbox_allow_paths(NULL, 0);
    if (!template)
        fence_no_fork();
    allow(dialogue, COUNT(dialogue), template);
}

void fence_injector(bool template, int folder)
{
    struct sandbox_path const path = {.directory = folder, .access = SANDBOX_WRITE};
    limit(DESCRIPTORS);
    sandbox_allow_paths(&path, 1);
    if (!template)
        fence_no_fork();
    allow(injector, COUNT(injector), template);
}

void fence_no_fork(void)
{
    struct sandbox_limits const limits = {.file_size = UINT64_MAX, .processes = 0};
    sandbox_limit(&limits);
}
