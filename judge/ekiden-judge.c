/* ekiden-judge: what the DNS and our memory say about a client, its name and its senders; one
 * process a session. fd 0 is the session: judge/question.h. See ekiden-judge(8). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>
#include <skalibs/tai.h>

#include "configured.h"
#include "judge/judge.h"
#include "judge/judge_fence.h"
#include "judge/judge_serve.h"
#include "lib/control.h"
#include "lib/descriptors.h"
#include "lib/log.h"
#include "lib/privilege.h"

#define USAGE "ekiden-judge [ -n ] [ -C control ] [ -S state ] <>session"

enum { SESSION = 0 };
enum { EXIT_USAGE = 100, EXIT_TEMPORARY = 111 };

struct arguments {
    char const *control, *state;
    bool counts;
};

static struct judge judge;

static bool parse_arguments(struct arguments *arguments, int argc, char const *const *argv)
{
    subgetopt options = SUBGETOPT_ZERO;
    for (int option; (option = subgetopt_r(argc, argv, "nC:S:", &options)) >= 0;)
        switch (option) {
        case 'n':
            arguments->counts = false;
            break;
        case 'C':
            arguments->control = options.arg;
            break;
        case 'S':
            arguments->state = options.arg;
            break;
        default:
            return false;
        }
    return options.ind == argc;
}

static bool is_session(void)
{
    int type;
    socklen_t size = sizeof type;
    return getsockopt(SESSION, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

static void leave_out(char const *text)
{
    log_failure("setting-left-out", text, 0);
}

/* What is wrong in a line is ekiden-smtpd's to refuse, which reads these files before it serves.
 * Here, where one may have been changed since, the line is logged and left out, so that all others
 * still count. False after logging. */
static bool load_settings(char const *path)
{
    struct control control;
    struct control_error error;
    bool good = control_open(&control, path, &error) == CONTROL_OK;
    if (good) {
        control.observer = &(struct control_observer){.problem = leave_out};
        good = judge_settings_load(&judge.settings, &control, &error) != CONTROL_ERROR;
        control_close(&control);
    }
    if (!good)
        log_failure("configuration-refused", error.text, 0);
    return good;
}

/* Opens what is remembered, where a rule does. Returns its folder; -1 where there is none, after
 * logging: those rules go without. */
static int open_memory(struct arguments const *arguments)
{
    char const *path = arguments->state;
    int state = -1;
    if (!judge_settings_remember(&judge.settings))
        return -1;
    if (!control_take_inherited(&path, &state))
        state = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (state < 0 && (errno != ENOENT || arguments->counts))
        log_failure("state-unusable", path, errno);
    memory_open(&judge.memory, state, !arguments->counts);
    return state;
}

int main(int argc, char const *const *argv)
{
    struct arguments arguments = {
        .control = CONFIGURED_CONTROL, .state = CONFIGURED_JUDGE, .counts = true};
    struct privilege_user user;
    log_start("ekiden-judge");
    if (!descriptors_standard())
        return EXIT_TEMPORARY;
    if (!parse_arguments(&arguments, argc, argv) || !is_session()) {
        log_failure("usage", USAGE ": descriptor 0 is a packet socket (SOCK_SEQPACKET)", 0);
        return EXIT_USAGE;
    }
    if (!load_settings(arguments.control) || !privilege_find(&user, CONFIGURED_USER_JUDGE))
        return EXIT_TEMPORARY;
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    privilege_drop(&user, NULL);
    privilege_refuse_root();
    judge_fence_close(open_memory(&arguments), !arguments.counts);
    if (!tain_now_set_stopwatch_g()) {
        log_failure("judge-failed", "the clock", errno);
        return EXIT_TEMPORARY;
    }
    asking_start(&judge.asking, &judge.settings.servers, judge.settings.dnsdeadline);
    return judge_serve(&judge, SESSION);
}
