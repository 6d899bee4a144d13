/* deliver/remote_login.h with a server that follows a script: what is said, and what is left of the
 * password afterwards. deliver/remote_extensions.h: which mechanisms there are. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <skalibs/djbunix.h>

#include "deliver/remote_login.h"

/* `printf '\0ann\0correct horse' | base64`, and each by itself. */
#define PASSWORD "correct horse"
#define BLOB     "AGFubgBjb3JyZWN0IGhvcnNl"
#define USER_64  "YW5u"
#define PASS_64  "Y29ycmVjdCBob3JzZQ=="

struct scene {
    char const *keyword;  /* of EHLO */
    char const *steps[8]; /* what the server hears and says, by turns */
    char const *lost;     /* how talk->lost begins; NULL: we are in */
    enum remote_outcome outcome;
};

static struct scene const scenes[] = {
    {"AUTH PLAIN LOGIN", {"AUTH PLAIN " BLOB "\r\n", "235 ok\r\n"}, NULL, REMOTE_NEXT},
    {"AUTH=LOGIN",
     {"AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n", USER_64 "\r\n", "334 x\r\n", PASS_64 "\r\n",
      "235 ok\r\n"},
     NULL,
     REMOTE_NEXT},
    {"AUTH PLAIN",
     {"AUTH PLAIN " BLOB "\r\n", "535 5.7.8 no\r\n"},
     "4.7.8 mx:25 refused the user name or password of authroutes ref: 535 5.7.8 no (AUTH)",
     REMOTE_NEXT_HOST},
    {"AUTH PLAIN",
     {"AUTH PLAIN " BLOB "\r\n", "535 `" PASSWORD "` is wrong\r\n"},
     "4.7.8 mx:25 refused the user name or password of authroutes ref: 535 (what it said repeats "
     "the password) (AUTH)",
     REMOTE_NEXT_HOST},
    {"AUTH PLAIN",
     {"AUTH PLAIN " BLOB "\r\n", "454 not `JJZWN0IGHVCN`\r\n"},
     "4.7.0 mx:25 refused the AUTH of authroutes ref: 454 (what it said repeats the password)",
     REMOTE_NEXT},
    {"AUTH LOGIN",
     {"AUTH LOGIN\r\n", "504 no\r\n"},
     "4.7.8 mx:25 refused the AUTH of authroutes ref: 504 no",
     REMOTE_NEXT_HOST},
    {"AUTH LOGIN",
     {"AUTH LOGIN\r\n", "334 \r\n", USER_64 "\r\n", "334 \r\n", PASS_64 "\r\n", PASS_64 "\r\n"},
     "4.7.0 mx:25 broke off the AUTH of authroutes ref (AUTH)",
     REMOTE_NEXT},
    {"AUTH LOGIN",
     {"AUTH LOGIN\r\n", "334 \r\n334 \r\n"},
     "4.5.0 mx:25 answers before it was asked: 334",
     REMOTE_NEXT},
    {"AUTH PLAIN",
     {"AUTH PLAIN " BLOB "\r\n", "250 ok\r\n"},
     "4.5.0 mx:25 gives an answer that",
     REMOTE_NEXT},
    {"AUTH CRAM-MD5", {NULL}, "4.7.0 mx:25 offers AUTH by neither PLAIN nor LOGIN", REMOTE_NEXT},
    {"AUTHENTICATE PLAIN", {NULL}, "4.7.0 mx:25 offers no AUTH", REMOTE_NEXT},
};

static _Noreturn void serve(int descriptor, char const *const *steps)
{
    char bytes[512];
    alarm(60);
    for (; *steps; steps += 2) {
        size_t const length = strlen(steps[0]);
        for (size_t done = 0; done < length;) {
            ssize_t const got = read(descriptor, bytes + done, length - done);
            if (got <= 0)
                _exit(1);
            done += (size_t)got;
        }
        if (memcmp(bytes, steps[0], length) != 0)
            _exit(2);
        if (write(descriptor, steps[1], strlen(steps[1])) < 0)
            _exit(3);
    }
    _exit(read(descriptor, bytes, 1) == 0 ? 0 : 4);
}

/* Fails when TALK has TEXT somewhere. */
static void assert_wiped(struct remote_talk const *talk, char const *text)
{
    assert_null(memmem(talk->stream.out, sizeof talk->stream.out, text, strlen(text)));
    assert_null(strstr(talk->lost.text, text));
}

static void play(struct scene const *scene)
{
    static struct remote_way const way = {
        .user = "ann", .password = PASSWORD, .reference = "ref", .clear_auth = true};
    struct remote_session session = {
        .helo = "us.example", .peer = "mx:25", .timeout_seconds = 60, .way = &way};
    struct remote_talk *const talk = malloc(sizeof *talk);
    enum remote_outcome outcome;
    int ends[2], status;
    assert_non_null(talk);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    pid_t const pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        serve(ends[1], scene->steps);
    }
    close(ends[1]);
    assert_int_equal(ndelay_on(ends[0]), 0);
    session.descriptor = ends[0];
    tain_now_g();
    tain_addsec_g(&session.deadline, 60);
    memset(talk, 0, sizeof *talk);
    remote_talk_start(talk, &session);
    remote_extensions_add(&talk->extensions, scene->keyword);
    bool const in = remote_login_run(&session, talk, &outcome);
    assert_int_equal(in, scene->lost == NULL);
    assert_int_equal(in, session.logged_in);
    assert_int_equal(outcome, scene->outcome);
    if (!in && strncmp(talk->lost.text, scene->lost, strlen(scene->lost)) != 0)
        fail_msg("`%s`, expected `%s`", talk->lost.text, scene->lost);
    assert_wiped(talk, PASSWORD);
    assert_wiped(talk, BLOB);
    assert_wiped(talk, PASS_64);
    free(talk);
    remote_session_close(&session);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0)
        fail_msg("%s: the server ended with %d", scene->steps[0], status);
}

static void logins(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++)
        play(scenes + i);
}

static void mechanisms(void **state)
{
    static struct {
        char const *line;
        bool auth, plain, login, starttls;
    } const lines[] = {
        {"AUTH PLAIN", true, true, false, false},
        {"auth  login   plain ", true, true, true, false},
        {"AUTH=PLAIN LOGIN", true, true, true, false},
        {"AUTH= PLAIN", true, true, false, false},
        {"AUTH", true, false, false, false},
        {"AUTH PLAINX XPLAIN PLAIN=1", true, false, false, false},
        {"AUTHPLAIN", false, false, false, false},
        {" AUTH PLAIN", false, false, false, false},
        {"STARTTLS", false, false, false, true},
        {"starttls required", false, false, false, true},
        {"STARTTLS=1", false, false, false, false},
        {"XSTARTTLS", false, false, false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct remote_extensions found;
        remote_extensions_clear(&found);
        remote_extensions_add(&found, lines[i].line);
        if (found.auth != lines[i].auth || found.auth_plain != lines[i].plain ||
            found.auth_login != lines[i].login || found.starttls != lines[i].starttls)
            fail_msg("`%s`", lines[i].line);
    }
}

int main(void)
{
    struct CMUnitTest const tests[] = {cmocka_unit_test(logins), cmocka_unit_test(mechanisms)};
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, 0, 0);
}
