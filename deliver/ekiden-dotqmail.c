/* ekiden-dotqmail: delivers to one system user by his .qmail files. See ekiden-dotqmail(8).
 *
 * Without arguments it is the agent of one user, started by ekiden-launch under his uid; with
 * qmail-local's arguments it delivers the message on descriptor 0. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>
#include <skalibs/sgetopt.h>
#include <skalibs/sig.h>
#include <skalibs/types.h>

#include "deliver/dotqmail.h"
#include "deliver/dotqmail_agent.h"
#include "deliver/launch_settings.h"
#include "deliver/message_stage.h"
#include "lib/log.h"
#include "lib/privilege.h"

#define USAGE                                                                                      \
    "usage: ekiden-dotqmail [-nN] [-i INJECT] [-t SECONDS] user homedir local dash ext domain "    \
    "sender aliasempty, or (started by ekiden-launch) -u USER -d HOME [-i INJECT] [-t SECONDS] "   \
    "-D DEFAULTDELIVERY"

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

enum { USER, HOME, LOCAL, DASH, EXTENSION, HOST, SENDER, DEFAULT, ARGUMENTS };

static int usage(void)
{
    log_failure("usage", USAGE, 0);
    return 100;
}

static bool parse_options(struct dotqmail *dotqmail, int *first, int argc, char const *const *argv)
{
    subgetopt state = SUBGETOPT_ZERO;
    unsigned int seconds;
    state.prog = "ekiden-dotqmail";
    for (;;) {
        switch (subgetopt_r(argc, argv, "nNi:t:u:d:D:", &state)) {
        case -1:
            *first = state.ind;
            return true;
        case 'n':
            dotqmail->say_only = true;
            break;
        case 'N':
            dotqmail->say_only = false;
            break;
        case 'i':
            dotqmail->inject = state.arg;
            break;
        case 't':
            if (!uint0_scan(state.arg, &seconds) || !seconds || seconds > LAUNCH_TIMEOUT_MAX)
                return false;
            dotqmail->program_seconds = seconds;
            break;
        case 'u':
            dotqmail->user = state.arg;
            break;
        case 'd':
            dotqmail->home = state.arg;
            break;
        case 'D':
            dotqmail->default_delivery = state.arg;
            break;
        default:
            return false;
        }
    }
}

/* The first thing of all. The user's own programs must not look into this process, for it has queue
 * files open, and their envelopes name other recipients. As ekiden-launch starts it, with two
 * different groups, the kernel made it not dumpable with its exec already: there was no moment in
 * which it could be traced. The real group is the user's; now both are. */
static bool close_ranks(void)
{
    struct rlimit const no_core = {0, 0};
#ifndef EKIDEN_SANITIZE /* the leak checker looks into its own process by ptrace */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return false;
#endif
    gid_t const group = getgid();
    return setresgid(group, group, group) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           setrlimit(RLIMIT_CORE, &no_core) == 0;
}

/* Descriptors 0 to 2 are open: what is opened later never gets one of these numbers. */
static bool open_standard(void)
{
    for (int descriptor = 0; descriptor <= 2; descriptor++)
        if (fcntl(descriptor, F_GETFD) < 0 && open("/dev/null", O_RDWR) != descriptor)
            return false;
    return true;
}

static void write_text(int descriptor, char const *text, size_t length)
{
    (void)allwrite(descriptor, text, length);
}

/* What qmail-local says: the programs' output, and then what was done (on descriptor 1) or what
 * went wrong (on descriptor 2), unless the program that refused has said it. Its exit code. */
static int say_result(struct dotqmail_report const *report)
{
    struct failure const *const failure = &report->failure;
    bool const delivered = job_is_delivered(failure->result);
    char const *text = failure->text;
    if (delivered && *text)
        text += strlen("2.0.0 ");
    write_text(1, report->output, report->length);
    if (*text && !report->said) {
        write_text(delivered ? 1 : 2, text, strlen(text));
        write_text(delivered ? 1 : 2, "\n", 1);
    }
    return delivered ? 0 : failure->result == JOB_FAILED ? 100 : 111;
}

static int say_system(char const *what, int number)
{
    struct dotqmail_report report = {.files = 0};
    failure_system(&report.failure, what, "", number);
    return say_result(&report);
}

/* qmail-local's interface: delivers the message on descriptor 0. */
static int deliver_one(struct dotqmail *dotqmail, char const *const *arguments)
{
    static struct dotqmail_report report;
    struct job job = {.number = 1, .kind = JOB_SYSTEM, .sender = arguments[SENDER]};
    struct dotqmail_address const address = {.local = arguments[LOCAL],
                                             .dash = arguments[DASH],
                                             .extension = arguments[EXTENSION],
                                             .host = arguments[HOST]};
    stralloc recipient = STRALLOC_ZERO;
    int message = -1;
    dotqmail->user = job.target = arguments[USER];
    dotqmail->home = arguments[HOME];
    dotqmail->default_delivery = arguments[DEFAULT];
    job.extension = arguments[EXTENSION];
    if (strlen(job.sender) > JOB_ADDRESS_MAX ||
        strlen(address.local) + strlen(address.host) + 1 > JOB_ADDRESS_MAX)
        return usage();
    if (dotqmail->home[0] != '/')
        return usage();
    if (chdir(dotqmail->home) != 0)
        return say_system("the home folder cannot be entered", errno);
    if (!stralloc_cats(&recipient, address.local) || !stralloc_catb(&recipient, "@", 1) ||
        !stralloc_cats(&recipient, address.host) || !stralloc_0(&recipient))
        return say_system("delivery needs more memory", ENOMEM);
    job.recipient = recipient.s;
    if (!dotqmail->say_only) {
        (void)lseek(0, 0, SEEK_SET); /* a pipe stands at its start anyway */
        message = message_stage_all(&job, 0, &report.failure);
    }
    if (message >= 0 || dotqmail->say_only)
        dotqmail_deliver(dotqmail, &job, &address, message, &report);
    stralloc_free(&recipient);
    return say_result(&report);
}

static int serve(struct dotqmail *dotqmail)
{
    if (!dotqmail->user || !dotqmail->home || !dotqmail->default_delivery)
        return usage();
    int const error = chdir(dotqmail->home) == 0 ? 0 : errno;
    return dotqmail_agent_serve(0, dotqmail, error);
}

int main(int argc, char const *const *argv)
{
    static struct dotqmail dotqmail; /* its buffers are large, and there is one a process */
    char host[HOST_NAME_MAX + 1] = "";
    int first = argc;
    log_start("ekiden-dotqmail");
    (void)prctl(PR_SET_NAME, "ekiden-dotqmail", 0, 0, 0); /* it may have been started by number */
    if (!close_ranks() || !open_standard()) {
        log_failure("not-started", "privilege or descriptors", errno);
        return 111;
    }
    if (privilege_is_root()) {
        /* Not 100, which would bounce the message. */
        log_failure("refused", "this program runs as the recipient, and never as root", 0);
        return 111;
    }
    umask(077);
    sig_ignore(SIGPIPE);
    dotqmail = (struct dotqmail){
        .path = DEFAULT_PATH, .partner = -1, .program_seconds = LAUNCH_TIMEOUT_DEFAULT};
    if (!parse_options(&dotqmail, &first, argc, argv))
        return usage();
    if (!dotqmail.inject)
        dotqmail.inject = inject_client_path(NULL);
    if (gethostname(host, sizeof host - 1) != 0)
        host[0] = 0;
    dotqmail_start(&dotqmail, host);
    int exit_code;
    if (argc - first == ARGUMENTS) {
        char const *const path = getenv("PATH");
        dotqmail.path = path ? path : DEFAULT_PATH; /* as from qmail-start */
        exit_code = deliver_one(&dotqmail, argv + first);
    } else {
        exit_code = argc == first ? serve(&dotqmail) : usage();
    }
    dotqmail_free(&dotqmail);
    return exit_code;
}
