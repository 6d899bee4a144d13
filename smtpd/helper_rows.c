#include "smtpd/helper_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/ip46.h>

#include "configured.h"
#include "judge/judge_image.h"
#include "lib/log.h"
#include "lib/program_path.h"

#define QUESTION_FD    0
#define PASSWORD_FD    3
#define CONTROL_FD     4
#define STATE_FD       5
#define IMAGE_FD       6
#define IMAGE_TEXT     "6"
#define CUSTOM_TEXT_FD 6

extern char **environ;

/* --- settings.queueprogram --- */

static struct privilege_user const *prepare_queue(struct helper_means *means,
                                                  struct helper_start *start)
{
    char const *const program = means->settings->queueprogram;
    return program && stralloc_copys(&start->path, program) && stralloc_0(&start->path)
               ? &means->injector
               : NULL;
}

static void execute_queue(struct helper_start const *start)
{
    char *const arguments[] = {start->path.s, NULL};
    execve(start->path.s, arguments, environ);
}

/* --- ekiden-auth --- */

static struct privilege_user const *prepare_auth(struct helper_means *means,
                                                 struct helper_start *start)
{
    start->state = &means->auth;
    return helper_state_open(&means->auth, CONFIGURED_USER_AUTH) &&
                   program_path(&start->path, "ekiden-auth")
               ? &means->auth.user
               : NULL;
}

static bool place(int descriptor, int number)
{
    return descriptor >= 0 ? dup2(descriptor, number) == number
                           : close(number) == 0 || errno == EBADF;
}

/* Moves control folder, state folder and image to their numbers, and leaves nothing else open but
 * the channel, which is CHANNEL, and the log. */
static bool place_folders(struct helper_start const *start, int channel)
{
    int const nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    return nothing >= 0 && (channel == 0 || place(nothing, 0)) && place(nothing, 1) &&
           (channel == PASSWORD_FD || place(-1, PASSWORD_FD)) &&
           place(start->control, CONTROL_FD) && place(start->state_folder, STATE_FD) &&
           place(start->image, IMAGE_FD) && close_range(IMAGE_FD + 1, ~0u, 0) == 0;
}

static void format_address(char *text, char const address[HELPER_ADDRESS_SIZE])
{
    ip46 ip;
    if (address[0])
        ip46_from_ip6(&ip, address + 1);
    else
        ip46_from_ip4(&ip, address + 1);
    text[ip46_fmt(text, &ip)] = 0;
}

/* NUMBER:PATH, as lib/control.h has it. */
static char *name_folder(int number, char const *path)
{
    char *text;
    return asprintf(&text, "%d:%s", number, path) < 0 ? NULL : text;
}

/* Becomes one of our programs, with its folders, OPTION (or NULL) and VARIABLE of the environment
 * (or NULL). */
static void execute_ours(struct helper_start const *start, int channel, char *option,
                         char *variable)
{
    char *const control = name_folder(CONTROL_FD, start->means->control->path);
    char *const state = !start->state             ? NULL
                        : start->state_folder < 0 ? (char *)start->state->path
                                                  : name_folder(STATE_FD, start->state->path);
    char *arguments[9] = {(char *)start->near, "-C", control};
    char *environment[4] = {"PATH=/usr/local/bin:/usr/bin:/bin", variable};
    size_t count = 3;
    if (start->state) {
        arguments[count++] = "-S";
        arguments[count++] = state;
    }
    if (start->image >= 0) {
        arguments[count++] = "-i";
        arguments[count++] = IMAGE_TEXT;
    }
    arguments[count] = option;
#ifdef EKIDEN_SANITIZE
    char options[4096];
    if (getenv("ASAN_OPTIONS")) {
        snprintf(options, sizeof options, "ASAN_OPTIONS=%s", getenv("ASAN_OPTIONS"));
        environment[variable ? 2 : 1] = options;
    }
#endif
    if (control && (state || !start->state) && place_folders(start, channel))
        execve(start->near, arguments, environment);
}

static void execute_auth(struct helper_start const *start)
{
    char remote[sizeof "TCPREMOTEIP=" + IP46_FMT] = "TCPREMOTEIP=";
    format_address(remote + strlen(remote), start->request + 1);
    execute_ours(start, PASSWORD_FD, NULL, remote);
}

static void execute_budget(struct helper_start const *start)
{
    execute_ours(start, PASSWORD_FD, "-b", NULL);
}

/* --- ekiden-judge and ekiden-spf --- */

static struct privilege_user const *prepare_judge(struct helper_means *means,
                                                  struct helper_start *start)
{
    bool const ready = means->aside ? helper_state_look(&means->judge, CONFIGURED_USER_JUDGE)
                                    : helper_state_open(&means->judge, CONFIGURED_USER_JUDGE);
    start->state = &means->judge;
    if (means->judge_image < 0)
        means->judge_image = judge_image_make(&means->settings->judge);
    start->image = means->judge_image;
    if (start->image < 0) { /* by itself it might judge by files that are wrong by now */
        log_failure("helper-not-started", "the settings of ekiden-judge", errno);
        return NULL;
    }
    return ready && program_path(&start->path, "ekiden-judge") ? &means->judge.user : NULL;
}

static struct privilege_user const *prepare_spf(struct helper_means *means,
                                                struct helper_start *start)
{
    return privilege_find(&means->spf, CONFIGURED_USER_SPF) &&
                   program_path(&start->path, "ekiden-spf")
               ? &means->spf
               : NULL;
}

static void execute_judge(struct helper_start const *start)
{
    execute_ours(start, QUESTION_FD, start->means->aside ? "-n" : NULL, NULL);
}

static void execute_question(struct helper_start const *start)
{
    execute_ours(start, QUESTION_FD, NULL, NULL);
}

static struct helper_row const rows[] = {
    {.kind = HELPER_QUEUE,
     .length = 1,
     .count = 3,
     .channels = {{0, HELPER_PIPE_READ},
                  {1, HELPER_PIPE_READ},
                  {CUSTOM_TEXT_FD, HELPER_PIPE_WRITTEN}},
     .prepare = prepare_queue,
     .execute = execute_queue},
    {.kind = HELPER_AUTH,
     .length = 1 + HELPER_ADDRESS_SIZE,
     .count = 1,
     .channels = {{PASSWORD_FD, HELPER_SOCKET}},
     .folders = true,
     .prepare = prepare_auth,
     .execute = execute_auth},
    {.kind = HELPER_BUDGET,
     .length = 1,
     .count = 1,
     .channels = {{PASSWORD_FD, HELPER_SOCKET}},
     .folders = true,
     .prepare = prepare_auth,
     .execute = execute_budget},
    {.kind = HELPER_JUDGE,
     .length = 1,
     .direct = true,
     .grace = 2000, /* it may be writing down what it remembers */

     .count = 1,
     .channels = {{QUESTION_FD, HELPER_SOCKET}},
     .folders = true,
     .prepare = prepare_judge,
     .execute = execute_judge},
    {.kind = HELPER_SPF,
     .length = 1,
     .direct = true,
     .count = 1,
     .channels = {{QUESTION_FD, HELPER_SOCKET}},
     .folders = true,
     .prepare = prepare_spf,
     .execute = execute_question},
};

struct helper_row const *helper_row_find(char const *request, size_t length)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (length == rows[i].length && request[0] == rows[i].kind)
            return rows + i;
    return NULL;
}
