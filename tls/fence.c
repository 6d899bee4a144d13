#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

#include "lib/sandbox.h"
#include "tls/engine.h"
#include "tls/key_process.h"
#include "tls/template.h"

#define MEMORY                                                                                     \
    (64u << 20) /* private and writable; engines use 100 KiB, decoded anchors megabytes */
/* Far more than any of them has: the kernel also holds the descriptors that all processes of a user
 * have on their way through sockets against the sender's limit (ETOOMANYREFS). */
#define DESCRIPTORS 65536
#define CALLS_MAX   80
#define COUNT(list) (sizeof(list) / sizeof *(list))

static int const engine[] = {SANDBOX_TALK_CALLS, SYS_sendto,     SYS_recvfrom,
                             SYS_shutdown,       SYS_getsockopt, SYS_setsockopt};

/* Not for engines: one that has been taken over could end or stop the others of its user, and their
 * template. What aborts ends by its fence. */
#define ABORT SYS_tgkill

static int const template[] = {
    ABORT,       SYS_clone,      SYS_wait4,   SYS_kill,         SYS_prctl,           SYS_prlimit64,
    SYS_seccomp, SYS_socketpair, SYS_getppid, SYS_rt_sigaction, SYS_set_robust_list,
#ifdef SYS_fork
    SYS_fork,
#endif
#ifdef SYS_rseq
    SYS_rseq,
#endif
};

/* Files to read, and nothing to write them with. */
static int const key[] = {
    ABORT,          SYS_openat,    SYS_newfstatat,  SYS_fstat,
    SYS_lseek,      SYS_epoll_ctl, SYS_epoll_pwait,
#ifdef SYS_epoll_wait
    SYS_epoll_wait,
#endif
#ifdef SYS_statx
    SYS_statx,
#endif
};

static void allow(int const *more, size_t count)
{
    int calls[CALLS_MAX];
    memcpy(calls, engine, sizeof engine);
    if (count)
        memcpy(calls + COUNT(engine), more, count * sizeof *more);
    sandbox_allow_calls(calls, COUNT(engine) + count);
}

static void limit(uint64_t processes)
{
    struct sandbox_limits const limits = {.memory = MEMORY,
                                          .descriptors = DESCRIPTORS,
                                          .file_size = UINT64_MAX, /* the log may be a file */
                                          .processes = processes};
    sandbox_limit(&limits);
}

void template_fence(void)
{
    limit(UINT64_MAX);
    sandbox_allow_paths(NULL, 0);
    allow(template, COUNT(template));
}

void engine_fence(void)
{
    allow(NULL, 0);
}

void key_process_fence(int root)
{
    /* Certificates may be links to where certbot keeps them. */
    struct sandbox_path const path = {.directory = root, .access = SANDBOX_READ};
    limit(0);
    sandbox_allow_paths(&path, 1);
    allow(key, COUNT(key));
}
