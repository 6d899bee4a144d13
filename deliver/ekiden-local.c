/* ekiden-local: delivers to the Maildirs of virtual users, all under one uid, and forwards the mail
 * of aliases. See ekiden-local(8). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <skalibs/djbunix.h>
#include <skalibs/sgetopt.h>
#include <skalibs/types.h>

#include "configured.h"
#include "deliver/worker.h"
#include "lib/log.h"
#include "lib/privilege.h"
#include "lib/sandbox.h"

#define USAGE "usage: ekiden-local [-M MAILROOT | -m DESCRIPTOR] [-C CONTROL] [-i SOCKET]"

#define MEMORY_MAX      (64u << 20)
#define DESCRIPTORS_MAX 512 /* two a mailbox, two a delivery, and a few */

struct options {
    char const *mail_root;
    unsigned int mail_descriptor; /* counts when mail_root is NULL */
    char const *control, *socket;
};

static int usage(void)
{
    log_failure("usage", USAGE, 0);
    return 100;
}

static bool parse_options(struct options *options, int argc, char const *const *argv)
{
    subgetopt state = SUBGETOPT_ZERO;
    state.prog = "ekiden-local";
    *options = (struct options){.mail_root = CONFIGURED_MAIL,
                                .control = CONFIGURED_CONTROL,
                                .socket = inject_client_path(NULL)};
    for (;;) {
        switch (subgetopt_r(argc, argv, "M:m:C:i:", &state)) {
        case -1:
            return state.ind == argc;
        case 'M':
            options->mail_root = state.arg;
            break;
        case 'm':
            options->mail_root = NULL;
            if (!uint0_scan(state.arg, &options->mail_descriptor) ||
                options->mail_descriptor > INT_MAX)
                return false;
            break;
        case 'C':
            options->control = state.arg;
            break;
        case 'i':
            options->socket = state.arg;
            break;
        default:
            return false;
        }
    }
}

/* The mail root's descriptor, -1 after logging. */
static int open_mail_root(struct options const *options)
{
    struct stat status;
    int const root = options->mail_root
                         ? open(options->mail_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                         : (int)options->mail_descriptor;
    if (root >= 0 && coe(root) == 0 && fstat(root, &status) == 0) {
        if (S_ISDIR(status.st_mode))
            return root;
        errno = ENOTDIR;
    }
    struct log_line line;
    int const number = errno;
    log_begin(&line, "mail-root-unusable");
    log_text(&line, "path", options->mail_root ? options->mail_root : "(inherited descriptor)");
    log_errno(&line, number);
    log_text(&line, "what", "make this folder, owned by the user of local delivery, mode 0700");
    log_write(&line);
    return -1;
}

static void enter_sandbox(int root, int control)
{
    static int const calls[] = {
        SYS_read,
        SYS_write,
        SYS_writev, /* skalibs: the rest of an answer */
        SYS_pread64,
        SYS_openat,
        SYS_close,
        SYS_newfstatat,
        SYS_fstat,
        SYS_fstatfs,
        SYS_fsync,
        SYS_syncfs,
        SYS_fcntl,
        SYS_sync_file_range,
        SYS_renameat2,
        SYS_renameat,
        SYS_linkat,
        SYS_unlinkat,
        SYS_mkdirat,
        SYS_getdents64,
        SYS_lseek,
        SYS_recvmsg,
        SYS_sendmsg,
        SYS_ppoll,
        SYS_signalfd4,
        SYS_rt_sigaction,
        SYS_uname,
        SYS_socket,
        SYS_connect,
        SYS_setsockopt,
        SYS_clock_gettime,
        SYS_gettimeofday,
        SYS_brk,
        SYS_mmap,
        SYS_munmap,
        SYS_mremap,
        SYS_rt_sigprocmask,
        SYS_exit_group,
        SYS_rt_sigreturn,
        /* quotas: their files, and the table of a control file that changed */
        SYS_utimensat,
        SYS_memfd_create,
        SYS_ftruncate,
        SYS_fchmod,
        SYS_fchown,
        SYS_readv,
        SYS_getrandom,
#ifdef SYS_poll
        SYS_poll,
#endif
    };
    struct sandbox_limits const limits = {.memory = MEMORY_MAX,
                                          .descriptors = DESCRIPTORS_MAX,
                                          .file_size = UINT64_MAX,
                                          .processes = 0};
    struct sandbox_path const paths[] = {
        {.directory = root, .access = SANDBOX_READ | SANDBOX_WRITE | SANDBOX_MAKE_DIRECTORY},
        {.directory = control, .access = SANDBOX_READ}};
    sandbox_limit(&limits);
    sandbox_allow_paths(paths, control >= 0 ? 2 : 1);
    sandbox_allow_calls(calls, sizeof calls / sizeof *calls);
}

int main(int argc, char const *const *argv)
{
    static struct batch batch; /* its buffers are large, and there is one a process */
    static struct forward forward;
    static struct mail_quotas quotas;
    struct control control;
    struct control_error error;
    struct options options;
    char host[HOST_NAME_MAX + 1] = "";
    log_start("ekiden-local");
    privilege_refuse_root();
    if (!parse_options(&options, argc, argv))
        return usage();
    int const root = open_mail_root(&options);
    if (root < 0)
        return 111;
    /* Only included files of aliases lie there: who has none needs no folder. */
    bool const has_control = control_open(&control, options.control, &error) == CONTROL_OK;
    /* This machine's own name, never `me`: two machines that share mailboxes may share their
     * configuration as well, and the name keeps their files apart. */
    if (gethostname(host, sizeof host - 1) != 0)
        host[0] = 0;
    umask(077);
    batch_start(&batch, root, host);
    forward.control = has_control ? &control : NULL;
    forward.socket = options.socket;
    forward.milliseconds = INJECT_CLIENT_AGENT_MILLISECONDS;
    batch.forward = &forward;
    mail_quotas_start(&quotas, forward.control);
    batch.quotas = &quotas;
    enter_sandbox(root, has_control ? control.directory : -1);
    int const exit_code = worker_serve(0, &batch);
    batch_free(&batch);
    mail_quotas_free(&quotas);
    return exit_code;
}
