#include "tools/explain_play.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "configured.h"
#include "lib/clock.h"
#include "lib/packet.h"
#include "tools/explain_dialogue.h"

#define EXIT_TEMPORARY 111
#define PATIENCE       120000 /* milliseconds for all: each part has a deadline of its own before */
#define FAREWELL       10000  /* milliseconds for the end of what was started */
#define HELPERS_MAX    16     /* of one session at once */
#define LOGIN_MAX      4096   /* bytes of a password packet */

void explain_fail(char const *what, int number)
{
    fprintf(stderr, "ekiden explain: %s%s%s\n", what, number ? ": " : "",
            number ? strerror(number) : "");
    exit(EXIT_TEMPORARY);
}

/* --- what the dialogue tells --- */

static void take_rule(struct explain_play *play, char const *bytes, size_t length)
{
    struct finding finding;
    if (finding_parse(&finding, bytes, length) &&
        !explain_add_rule(play->answer, play->means->control, play->stage, &finding))
        explain_fail("out of memory", 0);
}

void explain_play_take_news(struct explain_play *play)
{
    char packet[EXPLAIN_NEWS_MAX];
    while (play->news >= 0) {
        ssize_t const length = packet_take(play->news, packet, sizeof packet - 1, NULL, NULL);
        if (length == 0) { /* polled no more: ppoll lets no signal through while one is ready */
            close(play->news);
            play->news = -1;
        }
        if (length <= 0)
            return;
        packet[length] = 0;
        if (packet[0] == EXPLAIN_RULE)
            take_rule(play, packet + 1, (size_t)length - 1);
        else if (packet[0] == EXPLAIN_REFUSAL)
            snprintf(play->answer->rule, sizeof play->answer->rule, "%.*s", FINDING_RULE_MAX,
                     packet + 1);
        else if (!stralloc_copyb(&play->answer->recipient, packet + 1, (size_t)length - 1))
            explain_fail("out of memory", 0);
    }
}

/* --- what the dialogue asks for --- */

static void answer_packet(int end, char const *bytes, size_t length, int const *descriptors,
                          unsigned int count)
{
    struct iovec const piece = {.iov_base = (char *)bytes, .iov_len = length};
    (void)packet_offer(end, &piece, 1, descriptors, count);
}

/* A login, or its budget: both are right, because the operator says so. The password that we said
 * ourselves as the client is read to its end, as the dialogue wants it of whoever judges it. */
static void say_yes(int end)
{
    char bytes[LOGIN_MAX];
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        explain_fail("no socket", errno);
    answer_packet(end, "+", 1, &ends[0], 1);
    close(ends[0]);
    while (read(ends[1], bytes, sizeof bytes) > 0)
        ;
    close(ends[1]);
    answer_packet(end, "x", 2, NULL, 0); /* its code: 0 */
    close(end);
}

static void take_request(struct explain_play *play)
{
    char request[HELPER_REQUEST_MAX];
    int end = -1;
    unsigned int count = 1;
    ssize_t const length = packet_receive(play->requests, request, sizeof request, &end, &count);
    if (length <= 0 || count != 1) {
        close(play->requests);
        play->requests = -1;
        return;
    }
    switch (request[0]) {
    case HELPER_INJECTOR: /* nothing is queued */
        if (play->injector >= 0)
            close(play->injector);
        play->injector = end;
        break;
    case HELPER_AUTH:
    case HELPER_BUDGET:
        say_yes(end);
        break;
    default:
        if (request[0] != HELPER_QUEUE && play->helpers.count < HELPERS_MAX)
            helper_start(&play->helpers, request, (size_t)length, end);
        else
            close(end);
    }
}

/* --- waiting --- */

static void take_input(struct explain_play *play)
{
    char bytes[4096];
    ssize_t const length = read(play->client, bytes, sizeof bytes);
    if (length > 0 && !stralloc_catb(&play->input, bytes, (size_t)length))
        explain_fail("out of memory", 0);
    if (length > 0 || (length < 0 && errno == EINTR))
        return;
    close(play->client);
    play->client = -1;
}

static void reap(struct explain_play *play)
{
    struct child ended;
    int status;
    while (process_take_child())
        while (children_reap(&play->children, &ended, &status))
            if (ended.pid == play->dialogue)
                play->dialogue = 0;
            else
                helper_ended(&play->helpers, ended.pid, status);
}

bool explain_play_go_on(struct explain_play *play)
{
    int64_t const left = play->deadline - clock_milliseconds();
    struct timespec const timeout = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
    struct pollfd polls[3 + HELPERS_MAX] = {{.fd = play->client, .events = POLLIN},
                                            {.fd = play->requests, .events = POLLIN},
                                            {.fd = play->news, .events = POLLIN}};
    size_t const helpers = helper_polls(&play->helpers, polls + 3);
    if (left <= 0)
        return false;
    (void)ppoll(polls, 3 + helpers, helper_timeout(&play->helpers, &timeout), process_waiting());
    if (*process_stop())
        exit(EXIT_TEMPORARY);
    reap(play);
    helper_check(&play->helpers, polls + 3, helpers);
    explain_play_take_news(play);
    if (polls[1].revents)
        take_request(play);
    if (polls[0].revents)
        take_input(play);
    return true;
}

/* --- beginning and end --- */

static void make_pairs(struct explain_play *play, struct explain_ends *theirs)
{
    int client[2], requests[2], news[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, client) != 0 || !packet_pair(requests) ||
        !packet_pair(news))
        explain_fail("no socket", errno);
    *theirs = (struct explain_ends){client[1], requests[1], news[1]};
    play->client = client[0];
    play->requests = requests[0];
    play->news = news[0];
}

void explain_play_begin(struct explain_play *play)
{
    struct explain_ends theirs;
    struct privilege_user user;
    pid_t const parent = getpid();
    if (!privilege_find(&user, CONFIGURED_USER_DIALOGUE))
        exit(EXIT_TEMPORARY);
    process_catch_signals();
    make_pairs(play, &theirs);
    play->deadline = clock_milliseconds() + PATIENCE;
    play->dialogue = process_fork("explain-session");
    if (play->dialogue < 0)
        exit(EXIT_TEMPORARY);
    if (play->dialogue == 0)
        explain_dialogue(play->question, play->means, &user, &theirs, parent);
    close(theirs.client);
    close(theirs.requests);
    close(theirs.news);
}

void explain_play_end(struct explain_play *play)
{
    if (play->client >= 0)
        close(play->client);
    if (play->injector >= 0)
        close(play->injector);
    play->client = play->injector = -1;
    play->deadline = clock_milliseconds() + FAREWELL;
    while ((play->dialogue || play->helpers.count) && explain_play_go_on(play))
        ;
    if (play->dialogue)
        kill(play->dialogue, SIGKILL);
    for (size_t i = 0; i < play->helpers.count; i++)
        kill(play->helpers.entries[i].pid, SIGKILL);
    while (wait(NULL) > 0)
        ;
    if (play->requests >= 0)
        close(play->requests);
    if (play->news >= 0)
        close(play->news);
    free(play->helpers.entries);
    stralloc_free(&play->input);
}
