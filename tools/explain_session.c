/* The client of the session that `ekiden explain` asks: it says one command after the other. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/types.h>

#include "lib/base64.h"
#include "smtpd/reply.h"
#include "tools/explain.h"
#include "tools/explain_play.h"

#define NOT_A_PASSWORD "-"

/* Takes a whole reply from what has come, of several lines the first. False: it is not there yet.
 */
static bool take_reply(struct explain_play *play, stralloc *reply)
{
    char const *line = play->input.s, *feed;
    size_t left = play->input.len;
    reply->len = 0;
    while (left && (feed = memchr(line, '\n', left))) {
        size_t const length = (size_t)(feed - line) + 1;
        bool const last = length < 4 || line[3] != '-';
        size_t const bare = length - 1 - (length > 1 && feed[-1] == '\r');
        if (!reply->len && !stralloc_copyb(reply, line, bare))
            explain_fail("out of memory", 0);
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
static void add_own_rule(struct explain_play *play, stralloc const *reply)
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
    if (!explain_add_rule(play->answer, play->means->control, play->stage, &finding))
        explain_fail("out of memory", 0);
}

/* The reply of the stage. All news of it have come before. */
static bool await_reply(struct explain_play *play)
{
    struct explain_step *const step = &play->answer->steps[play->stage];
    play->answer->last = play->stage;
    step->taken = true;
    while (!take_reply(play, &step->reply) && play->client >= 0)
        if (!explain_play_go_on(play))
            explain_fail("the session gives no answer", 0);
    explain_play_take_news(play);
    add_own_rule(play, &step->reply);
    return step->reply.len && explain_class(play->answer) < 4;
}

/* WORD and TEXT and WORD2 are a command. False: its reply ends the session. */
static bool say(struct explain_play *play, enum explain_stage stage, char const *word,
                char const *text, char const *word2)
{
    stralloc *const command = &play->answer->steps[stage].command;
    play->stage = stage;
    if (!stralloc_copys(command, word) || !stralloc_cats(command, text) ||
        !stralloc_cats(command, word2) || !stralloc_cats(command, "\r\n"))
        explain_fail("out of memory", 0);
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

static bool say_address(struct explain_play *play, enum explain_stage stage, char const *word,
                        char const *address)
{
    size_t const length = strlen(address);
    bool const bracketed = length > 1 && address[0] == '<' && address[length - 1] == '>';
    char path[16];
    snprintf(path, sizeof path, "%s%s", word, bracketed ? "" : "<");
    return say(play, stage, path, address, bracketed ? "" : ">");
}

/* AUTH PLAIN: NUL, the name, NUL, what is no password. */
static bool say_login(struct explain_play *play)
{
    char const *const login = play->question->login;
    stralloc plain = STRALLOC_ZERO, text = STRALLOC_ZERO;
    if (!login)
        return true;
    if (!stralloc_catb(&plain, "", 1) || !stralloc_cats(&plain, login) ||
        !stralloc_catb(&plain, "", 1) || !stralloc_cats(&plain, NOT_A_PASSWORD) ||
        !stralloc_ready(&text, BASE64_ENCODED(plain.len) + 1))
        explain_fail("out of memory", 0);
    base64_encode(text.s, (unsigned char const *)plain.s, plain.len);
    text.s[BASE64_ENCODED(plain.len)] = 0;
    bool const good = say(play, EXPLAIN_LOGIN, "AUTH PLAIN ", text.s, "");
    stralloc *const command = &play->answer->steps[EXPLAIN_LOGIN].command;
    if (!stralloc_copys(command, "AUTH as ") || !stralloc_cats(command, login))
        explain_fail("out of memory", 0);
    stralloc_free(&plain);
    stralloc_free(&text);
    return good;
}

/* Some limits are looked at only then. Neither a queue nor a client is there for what follows. */
static bool say_data(struct explain_play *play)
{
    bool const good = say(play, EXPLAIN_MESSAGE, "DATA", "", "");
    if (good)
        play->answer->last = EXPLAIN_RECIPIENT;
    return good;
}

void explain_ask(struct explain_answer *answer, struct explain_question const *question,
                 struct explain_means const *means)
{
    struct explain_play play = {.question = question,
                                .means = means,
                                .answer = answer,
                                .injector = -1,
                                .helpers = {.means = {.control = means->control,
                                                      .settings = means->settings,
                                                      .auth.folder = -1,
                                                      .judge = {.path = means->judge, .folder = -1},
                                                      .judge_image = -1,
                                                      .aside = true}},
                                .input = STRALLOC_ZERO};
    explain_play_begin(&play);
    (void)(await_reply(&play) && say(&play, EXPLAIN_HELLO, "EHLO ", question->hello, "") &&
           say_login(&play) && say_address(&play, EXPLAIN_SENDER, "MAIL FROM:", question->sender) &&
           say_address(&play, EXPLAIN_RECIPIENT, "RCPT TO:", question->recipient) &&
           say_data(&play));
    explain_play_end(&play);
}
