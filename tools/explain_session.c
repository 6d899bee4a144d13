/* The rest of the world around the dialogue: the client, which says one command after the other,
 * and the keeper, which starts what the dialogue asks for. */
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

#include <skalibs/types.h>

#include "configured.h"
#include "lib/base64.h"
#include "lib/clock.h"
#include "lib/packet.h"
#include "lib/process.h"
#include "smtpd/helper_table.h"
#include "smtpd/reply.h"
#include "tools/explain.h"
#include "tools/explain_dialogue.h"

#define EXIT_TEMPORARY 111
#define PATIENCE       120000 /* milliseconds for all: each part has a deadline of its own before */
#define FAREWELL       10000  /* milliseconds for the end of what was started */
#define HELPERS_MAX    16     /* of one session at once */
#define LOGIN_MAX      4096   /* bytes of a password packet */
#define NOT_A_PASSWORD "-"

struct play {
    struct explain_question const *question;
    struct explain_means const *means;
    struct explain_answer *answer;
    enum explain_stage stage;
    int client, requests, news; /* -1 at the end of each */
    pid_t dialogue;
    int injector; /* the dialogue's wish for an injector, which nobody hears; -1 */
    struct helper_table helpers;
    struct children children;
    int64_t deadline;
    stralloc input; /* of the client: replies that were not taken yet */
};

_Noreturn static void fail(char const *what, int number)
{
    fprintf(stderr, "ekiden explain: %s%s%s\n", what, number ? ": " : "",
            number ? strerror(number) : "");
    exit(EXIT_TEMPORARY);
}

/* --- what the dialogue tells --- */

static void take_rule(struct play *play, char const *bytes, size_t length)
{
    struct finding finding;
    size_t const taken = finding_parse(&finding, bytes, length);
    if (taken && !explain_add_rule(play->answer, play->means->control, play->stage, &finding,
                                   bytes + taken, length - taken))
        fail("out of memory", 0);
}

static void take_news(struct play *play)
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
            fail("out of memory", 0);
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
        fail("no socket", errno);
    answer_packet(end, "+", 1, &ends[0], 1);
    close(ends[0]);
    while (read(ends[1], bytes, sizeof bytes) > 0)
        ;
    close(ends[1]);
    answer_packet(end, "x", 2, NULL, 0); /* its code: 0 */
    close(end);
}

static void take_request(struct play *play)
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

/* --- the client --- */

static void take_input(struct play *play)
{
    char bytes[4096];
    ssize_t const length = read(play->client, bytes, sizeof bytes);
    if (length > 0 && !stralloc_catb(&play->input, bytes, (size_t)length))
        fail("out of memory", 0);
    if (length > 0 || (length < 0 && errno == EINTR))
        return;
    close(play->client);
    play->client = -1;
}

static void reap(struct play *play)
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

/* Waits until something has happened, and sees to it. False: the time is over. */
static bool go_on(struct play *play)
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
    take_news(play);
    if (polls[1].revents)
        take_request(play);
    if (polls[0].revents)
        take_input(play);
    return true;
}

/* Takes a whole reply from what has come, of several lines the first. False: it is not there yet.
 */
static bool take_reply(struct play *play, stralloc *reply)
{
    char const *line = play->input.s, *feed;
    size_t left = play->input.len;
    reply->len = 0;
    while (left && (feed = memchr(line, '\n', left))) {
        size_t const length = (size_t)(feed - line) + 1;
        bool const last = length < 4 || line[3] != '-';
        size_t const bare = length - 1 - (length > 1 && feed[-1] == '\r');
        if (!reply->len && !stralloc_copyb(reply, line, bare))
            fail("out of memory", 0);
        line += length;
        left -= length;
        if (!last)
            continue;
        memmove(play->input.s, line, left);
        play->input.len = left;
        if (reply->len > 3)
            reply->s[3] = ' ';
        return true;
    }
    reply->len = 0;
    return false;
}

/* A rule of the session itself, as of syntax and order, speaks in its reply alone. */
static void add_own_rule(struct play *play, stralloc const *reply)
{
    struct explain_answer const *const answer = play->answer;
    struct finding finding;
    char text[REPLY_TEXT_MAX + 1], status[FINDING_STATUS_MAX + 1] = "";
    unsigned int number;
    int at = 0;
    if (!answer->rule[0] || explain_deciding(answer) || reply->len < 4 ||
        uint_scan(reply->s, &number) != 3)
        return;
    snprintf(text, sizeof text, "%.*s", (int)reply->len - 4, reply->s + 4);
    if (strspn(text, "0123456789.") >= sizeof "4.0.0" - 1)
        (void)sscanf(text, "%8s %n", status, &at);
    finding_make(&finding, number < 500 ? FINDING_DEFER : FINDING_REFUSE, answer->rule, "");
    finding_reply(&finding, number, status, text + at);
    if (!explain_add_rule(play->answer, play->means->control, play->stage, &finding, NULL, 0))
        fail("out of memory", 0);
}

/* The reply of the stage. All news of it have come before. */
static bool await_reply(struct play *play)
{
    struct explain_step *const step = &play->answer->steps[play->stage];
    play->answer->last = play->stage;
    step->taken = true;
    while (!take_reply(play, &step->reply) && play->client >= 0)
        if (!go_on(play))
            fail("the session gives no answer", 0);
    take_news(play);
    add_own_rule(play, &step->reply);
    return step->reply.len && explain_class(play->answer) < 4;
}

/* WORD and TEXT and WORD2 are a command. False: its reply ends the session. */
static bool say(struct play *play, enum explain_stage stage, char const *word, char const *text,
                char const *word2)
{
    stralloc *const command = &play->answer->steps[stage].command;
    play->stage = stage;
    if (!stralloc_copys(command, word) || !stralloc_cats(command, text) ||
        !stralloc_cats(command, word2) || !stralloc_cats(command, "\r\n"))
        fail("out of memory", 0);
    /* Once: the socket is a stream, and its reader goes on reading. */
    for (size_t at = 0; at < command->len;) {
        ssize_t const count = write(play->client, command->s + at, command->len - at);
        if (count < 0 && errno != EINTR)
            break; /* it has ended; what it said comes before the end */
        at += count < 0 ? 0 : (size_t)count;
    }
    command->len -= 2;
    return await_reply(play);
}

static bool say_address(struct play *play, enum explain_stage stage, char const *word,
                        char const *address)
{
    size_t const length = strlen(address);
    bool const bracketed = length > 1 && address[0] == '<' && address[length - 1] == '>';
    char path[16];
    snprintf(path, sizeof path, "%s%s", word, bracketed ? "" : "<");
    return say(play, stage, path, address, bracketed ? "" : ">");
}

/* AUTH PLAIN: NUL, the name, NUL, what is no password. */
static bool say_login(struct play *play)
{
    char const *const login = play->question->login;
    stralloc plain = STRALLOC_ZERO, text = STRALLOC_ZERO;
    if (!login)
        return true;
    if (!stralloc_catb(&plain, "", 1) || !stralloc_cats(&plain, login) ||
        !stralloc_catb(&plain, "", 1) || !stralloc_cats(&plain, NOT_A_PASSWORD) ||
        !stralloc_ready(&text, BASE64_ENCODED(plain.len) + 1))
        fail("out of memory", 0);
    base64_encode(text.s, (unsigned char const *)plain.s, plain.len);
    text.s[BASE64_ENCODED(plain.len)] = 0;
    bool const good = say(play, EXPLAIN_LOGIN, "AUTH PLAIN ", text.s, "");
    stralloc *const command = &play->answer->steps[EXPLAIN_LOGIN].command;
    if (!stralloc_copys(command, "AUTH as ") || !stralloc_cats(command, login))
        fail("out of memory", 0);
    stralloc_free(&plain);
    stralloc_free(&text);
    return good;
}

/* Some limits are looked at only then. Neither a queue nor a client is there for what follows. */
static bool say_data(struct play *play)
{
    bool const good = say(play, EXPLAIN_MESSAGE, "DATA", "", "");
    if (good)
        play->answer->last = EXPLAIN_RECIPIENT;
    return good;
}

/* --- all of it --- */

static void make_pairs(struct play *play, struct explain_ends *theirs)
{
    int client[2], requests[2], news[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, client) != 0 || !packet_pair(requests) ||
        !packet_pair(news))
        fail("no socket", errno);
    *theirs = (struct explain_ends){client[1], requests[1], news[1]};
    play->client = client[0];
    play->requests = requests[0];
    play->news = news[0];
}

static void begin(struct play *play)
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

/* Nothing that was started stays behind. */
static void end(struct play *play)
{
    if (play->client >= 0)
        close(play->client);
    if (play->injector >= 0)
        close(play->injector);
    play->client = play->injector = -1;
    play->deadline = clock_milliseconds() + FAREWELL;
    while ((play->dialogue || play->helpers.count) && go_on(play))
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

void explain_ask(struct explain_answer *answer, struct explain_question const *question,
                 struct explain_means const *means)
{
    struct play play = {.question = question,
                        .means = means,
                        .answer = answer,
                        .injector = -1,
                        .helpers = {.means = {.control = means->control,
                                              .settings = means->settings,
                                              .auth.folder = -1,
                                              .judge = {.path = means->judge, .folder = -1},
                                              .aside = true}},
                        .input = STRALLOC_ZERO};
    begin(&play);
    (void)(await_reply(&play) && say(&play, EXPLAIN_HELLO, "EHLO ", question->hello, "") &&
           say_login(&play) && say_address(&play, EXPLAIN_SENDER, "MAIL FROM:", question->sender) &&
           say_address(&play, EXPLAIN_RECIPIENT, "RCPT TO:", question->recipient) &&
           say_data(&play));
    end(&play);
}
