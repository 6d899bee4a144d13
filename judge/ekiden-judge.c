/* ekiden-judge: what the DNS and our memory say about a client, its name and its senders; one
 * process a session. fd 0 is the session: judge/question.h. See ekiden-judge(8). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>
#include <skalibs/tai.h>
#include <skalibs/types.h>

#include "configured.h"
#include "judge/judge.h"
#include "judge/judge_fence.h"
#include "judge/judge_image.h"
#include "judge/judge_serve.h"
#include "lib/control.h"
#include "lib/descriptors.h"
#include "lib/log.h"
#include "lib/privilege.h"

#define USAGE "ekiden-judge [ -n ] [ -C control ] [ -S state ] [ -i image ] <>session"

enum { SESSION = 0 };
enum { EXIT_USAGE = 100, EXIT_TEMPORARY = 111 };

struct arguments {
    char const *control, *state;
    unsigned int image; /* a descriptor; 0: none */
    bool counts;
};

static struct judge judge;

static bool parse_arguments(struct arguments *arguments, int argc, char const *const *argv)
{
    subgetopt options = SUBGETOPT_ZERO;
    for (int option; (option = subgetopt_r(argc, argv, "nC:S:i:", &options)) >= 0;)
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
        case 'i':
            if (!uint0_scan(options.arg, &arguments->image) || arguments->image > INT_MAX)
                return false;
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

/* What is in IMAGE, or in the control files where it is none of ours: then it is as at a server's
 * start, and nothing is judged by half of them. False after logging. */
static bool load_settings(char const *path, int image)
{
    struct control control;
    struct control_error error;
    bool good = control_open(&control, path, &error) == CONTROL_OK;
    if (good && image >= 0 && judge_image_take(&judge.settings, image)) {
        /* With what was wrong by now goes on what was right before: ekiden-smtpd has said so. */
        (void)judge_settings_load_servers(&judge.settings, &control, &error);
        control_close(&control);
    } else if (good) {
        good = judge_settings_load(&judge.settings, &control, &error) != CONTROL_ERROR;
        control_close(&control);
    }
    if (image >= 0)
        close(image);
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
    if (!load_settings(arguments.control, arguments.image ? (int)arguments.image : -1) ||
        !privilege_find(&user, CONFIGURED_USER_JUDGE))
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
