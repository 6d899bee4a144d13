/* ekiden-spf: may this client send as this name? One question, one answer, one process.
 *
 * With arguments the question is theirs, and the answer a line each on standard output. Without,
 * the question is read from descriptor 0, a socket, and the answer written to it (spf_question.h,
 * spf_answer.h). Started by the keeper of a session as a user of its own. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/iopause.h>
#include <skalibs/sgetopt.h>
#include <skalibs/tai.h>

#include "configured.h"
#include "lib/control.h"
#include "lib/control_host.h"
#include "lib/dns.h"
#include "lib/log.h"
#include "lib/privilege.h"
#include "lib/sandbox.h"
#include "spf/spf_answer.h"
#include "spf/spf_evaluate.h"
#include "spf/spf_question.h"

#define USAGE           "ekiden-spf [ -C control ] [ ADDRESS HELO SENDER ]"
#define TIMEOUT_DEFAULT 10 /* seconds */
#define TIMEOUT_MAX     60
#define ARGUMENTS       3
/* For a question to come: not of spftimeout, which is for the answer. */
#define QUESTION_SECONDS 5

enum { EXIT_USAGE = 100, EXIT_TEMPORARY = 111 };

/* All of its memory: program, stack, heap. */
#define MEMORY (8u << 20)

static int const calls[] = {
    DNS_SYSTEM_CALLS,
    SANDBOX_OLD_CALLS SYS_read,
    SYS_write,
    SYS_exit,
    SYS_exit_group,
    SYS_rt_sigreturn,
    SYS_restart_syscall,
    /* memory; abort of a hardened library, and of libspf2 */
    SYS_brk,
    SYS_mmap,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_futex,
    SYS_getpid,
    SYS_gettid,
    SYS_tgkill,
    SYS_rt_sigprocmask,
    SYS_rt_sigaction,
    SYS_setitimer,
#ifdef SYS_alarm
    SYS_alarm,
#endif
};

struct settings {
    struct dns_servers servers;
    uint64_t timeout;
    char *me; /* owned */
};

static _Noreturn void die(int code, char const *text)
{
    struct log_line line;
    log_begin(&line, "spf-failed");
    log_text(&line, "reason", text);
    log_write(&line);
    _exit(code);
}

static void load(struct settings *settings, char const *path)
{
    struct control control;
    struct control_error error;
    settings->timeout = TIMEOUT_DEFAULT;
    if (control_open(&control, path, &error) != CONTROL_OK ||
        dns_servers_load(&settings->servers, &control, NULL, &error) != CONTROL_OK ||
        control_number(&control, "spftimeout", &settings->timeout, 1, TIMEOUT_MAX, &error) ==
            CONTROL_ERROR ||
        control_host(&settings->me, &control, "me", "unknown", &error) == CONTROL_ERROR)
        die(EXIT_USAGE, error.text);
    control_close(&control);
}

/* From here on strangers speak, and libspf2 is one of them. A keeper has started this as its user
 * already; root by hand has not. */
static void fence(void)
{
    struct privilege_user user;
    if (!privilege_find(&user, CONFIGURED_USER_SPF))
        exit(EXIT_TEMPORARY);
    privilege_drop(&user, NULL);
    struct sandbox_limits const limits = {
        .address_space = MEMORY,
        .descriptors = DNS_ASK_MAX,
        .file_size = UINT64_MAX, /* the log, and by hand the answer, may be a file */
        .processes = 0};
    sandbox_limit(&limits);
    sandbox_allow_paths(NULL, 0);
    sandbox_keep_apart();
    sandbox_allow_calls(calls, sizeof calls / sizeof *calls);
}

/* Reads descriptor 0 to its end. */
static enum spf_question_result read_question(struct spf_question *question)
{
    char bytes[SPF_QUESTION_MAX + 1];
    size_t length = 0;
    tain deadline;
    tain_addsec_g(&deadline, QUESTION_SECONDS);
    while (length < sizeof bytes) {
        iopause_fd wait = {.fd = 0, .events = IOPAUSE_READ};
        if (iopause_g(&wait, 1, &deadline) <= 0)
            return SPF_QUESTION_MALFORMED;
        ssize_t const count = read(0, bytes + length, sizeof bytes - length);
        if (count == 0)
            return spf_question_parse(question, bytes, length);
        if (count < 0)
            return SPF_QUESTION_MALFORMED;
        length += (size_t)count;
    }
    return SPF_QUESTION_MALFORMED;
}

static bool write_all(int descriptor, char const *bytes, size_t length)
{
    return allwrite(descriptor, bytes, length) == length;
}

static void add_line(stralloc *out, char const *key, char const *value, size_t length)
{
    if (!stralloc_cats(out, key) || !stralloc_catb(out, " ", 1) ||
        !stralloc_catb(out, value, length) || !stralloc_catb(out, "\n", 1))
        die(EXIT_TEMPORARY, "out of memory");
}

/* A line each: result, explanation and problem where there is one, and the trail. */
static bool print(struct spf_answer const *answer)
{
    stralloc out = STRALLOC_ZERO;
    char const *const word = spf_result_word(answer->result);
    add_line(&out, "result", word, strlen(word));
    if (*answer->explanation)
        add_line(&out, "explanation", answer->explanation, strlen(answer->explanation));
    if (*answer->problem)
        add_line(&out, "problem", answer->problem, strlen(answer->problem));
    for (char const *entry = answer->trail; *entry;) {
        size_t const length = strcspn(entry, ";");
        add_line(&out, "trail", entry, length);
        entry += length;
        entry += strspn(entry, "; ");
    }
    return write_all(1, out.s, out.len);
}

static void answer_question(struct settings const *settings, struct spf_question const *question,
                            struct spf_answer *answer)
{
    static struct spf_evaluation evaluation;
    evaluation.question = question;
    evaluation.receiver = settings->me;
    evaluation.now = (uint64_t)time(NULL);
    spf_lookups_start(&evaluation.check.lookups, &settings->servers);
    tain_now_g();
    tain_addsec_g(&evaluation.check.deadline, (int)settings->timeout);
    /* libspf2 may hang where no deadline of ours is looked at. */
    alarm((unsigned int)settings->timeout + 2);
    evaluation.check.answer = answer;
    spf_evaluate(&evaluation);
}

int main(int argc, char const *const *argv)
{
    static struct spf_answer answer = {.result = SPF_NONE};
    static struct spf_question question;
    struct settings settings;
    char const *path = CONFIGURED_CONTROL;
    char bytes[SPF_ANSWER_MAX];
    subgetopt state = SUBGETOPT_ZERO;
    log_start("ekiden-spf");
    signal(SIGPIPE, SIG_IGN);
    for (int option; (option = subgetopt_r(argc, argv, "C:", &state)) >= 0;) {
        if (option != 'C')
            die(EXIT_USAGE, "usage: " USAGE);
        path = state.arg;
    }
    argc -= state.ind;
    argv += state.ind;
    if (argc != 0 && argc != ARGUMENTS)
        die(EXIT_USAGE, "usage: " USAGE);
    load(&settings, path);
    if (!tain_now_set_stopwatch_g() || !spf_evaluate_prepare())
        die(EXIT_TEMPORARY, "no clock, or out of memory");
    fence();
    enum spf_question_result const result =
        argc == 0 ? read_question(&question)
                  : spf_question_make(&question, argv[0], argv[1], argv[2]);
    if (result == SPF_QUESTION_MALFORMED)
        die(EXIT_USAGE, "the question is not: an address, a HELO name, a sender or nothing");
    if (result == SPF_QUESTION_OK)
        answer_question(&settings, &question, &answer);
    /* A session that has gone meanwhile is no failure that somebody has to hear of. */
    if (argc == 0)
        _exit(write_all(0, bytes, spf_answer_format(bytes, &answer)) ? 0 : EXIT_TEMPORARY);
    if (!print(&answer))
        die(EXIT_TEMPORARY, "the answer cannot be written");
    _exit(0);
}
