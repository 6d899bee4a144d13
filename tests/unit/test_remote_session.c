/* deliver/remote_session.h with servers that follow a script, over a socket pair.
 *
 * A script is a list of steps:
 *   <TEXT   send TEXT
 *   >TEXT   the next line that comes is TEXT
 *   =TEXT   the next octets that come are TEXT (a message)
 *   *       read all that comes until the other side closes
 *   ~       the other side closes without another word
 * At its end the server closes. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <skalibs/djbunix.h>

#include "deliver/remote_scan.h"
#include "deliver/remote_session.h"
#include "lib/checksum.h"

#define STEPS_MAX        36
#define HELLO            "<220 hi\r\n", ">EHLO us.example\r\n", "<250 hi\r\n"
#define HELLO_PIPELINING "<220 hi\r\n", ">EHLO us.example\r\n", "<250-hi\r\n250 PIPELINING\r\n"
#define MAIL             ">MAIL FROM:<s@x.example>\r\n"
#define RCPT_A           ">RCPT TO:<a@y.example>\r\n"
#define RCPT_B           ">RCPT TO:<b@y.example>\r\n"
#define RCPT_C           ">RCPT TO:<c@y.example>\r\n"
#define OK               "<250 ok\r\n"
#define DATA             ">DATA\r\n"
#define GO               "<354 go\r\n"
#define MESSAGE          "=A: b\r\n\r\n..x\r\n.\r\n"
#define QUIT             ">QUIT\r\n", "<221 bye\r\n", "~"
#define PLAIN            "A: b\n\n.x\n"
#define RECIPIENTS                                                                                 \
    {                                                                                              \
        "a@y.example", "b@y.example", "c@y.example"                                                \
    }

struct scene {
    char const *name;
    char const *steps[STEPS_MAX];
    /* A letter for each recipient; where it is not settled `n` for JOB_UNREACHABLE, else `-`. */
    char const *results;
    /* What the failure, or the text of the last recipient, is, or begins with. */
    char const *text;
    char const *message, *sender;
    char const *recipients[3];
    bool smtputf8;
    unsigned int timeout; /* seconds: 0 means 60 */
};

/* --- the server --- */

static _Noreturn void wrong(char const *step, char const *got, size_t length)
{
    fprintf(stderr, "server: `%s` was to come, but `%.*s` came\n", step, (int)length, got);
    _exit(1);
}

static void expect_octets(int descriptor, char const *step)
{
    size_t const length = strlen(step);
    char got[4096];
    size_t done = 0;
    while (done < length) {
        ssize_t const now = read(descriptor, got + done, length - done);
        if (now <= 0)
            wrong(step, got, done);
        done += (size_t)now;
        if (memcmp(got, step, done) != 0)
            wrong(step, got, done);
    }
}

static _Noreturn void serve(int descriptor, char const *const *steps)
{
    char buffer[4096];
    alarm(60);
    for (; *steps; steps++) {
        char const *const text = *steps + 1;
        size_t const length = strlen(text);
        ssize_t got;
        switch (**steps) {
        case '<':
            if (write(descriptor, text, length) != (ssize_t)length)
                _exit(2);
            break;
        case '>':
        case '=':
            expect_octets(descriptor, text);
            break;
        case '*':
            while (read(descriptor, buffer, sizeof buffer) > 0)
                ;
            break;
        case '~':
            got = read(descriptor, buffer, sizeof buffer);
            if (got > 0)
                wrong("the end", buffer, (size_t)got);
            break;
        default:
            _exit(3);
        }
    }
    _exit(0);
}

static pid_t start_server(char const *const *steps, int *descriptor)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    pid_t const pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        serve(ends[1], steps);
    }
    close(ends[1]);
    assert_int_equal(ndelay_on(ends[0]), 0);
    *descriptor = ends[0];
    return pid;
}

/* --- the client --- */

static struct remote_message message_of(char const *bytes, size_t length)
{
    struct checksum sum;
    int const descriptor = memfd_create("message", MFD_CLOEXEC);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, bytes, length), length);
    checksum_start(&sum);
    checksum_add(&sum, bytes, length);
    struct remote_message message = {
        .descriptor = descriptor, .length = length, .sum = checksum_end(&sum)};
    assert_int_equal(remote_scan_message(&message), REMOTE_SCAN_OK);
    return message;
}

static struct remote_session session_of(int descriptor, unsigned int timeout)
{
    static struct remote_way const way = {
        .host = "y.example", .by_mx = true, .level = TLSPOLICY_MAY};
    struct remote_session session = {.descriptor = descriptor,
                                     .helo = "us.example",
                                     .peer = "mx[192.0.2.1]:25",
                                     .way = &way,
                                     .name = "mx.y.example",
                                     .tls_service = -1,
                                     .timeout_seconds = timeout ? timeout : 60};
    tain_now_g();
    tain_addsec_g(&session.deadline, 60);
    return session;
}

static int exit_of(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

/* Plays SCENE. */
static void play(struct scene const *scene)
{
    struct remote_recipient recipients[3] = {{.address = 0}};
    struct failure failure = {.text = "not set"};
    int descriptor;
    unsigned int count = 0;
    pid_t const server = start_server(scene->steps, &descriptor);
    char const *const bytes = scene->message ? scene->message : PLAIN;
    struct remote_session session = session_of(descriptor, scene->timeout);
    for (; count < 3 && scene->recipients[count]; count++)
        recipients[count].address = scene->recipients[count];
    if (!count)
        recipients[count++].address = "a@y.example";
    struct remote_transaction transaction = {.sender =
                                                 scene->sender ? scene->sender : "s@x.example",
                                             .message = message_of(bytes, strlen(bytes)),
                                             .recipients = recipients,
                                             .count = count};
    transaction.message.smtputf8 = scene->smtputf8;
    enum remote_outcome const outcome = remote_session_run(&session, &transaction, &failure);
    remote_session_quit(&session);
    assert_false(session.may_quit);
    remote_session_close(&session);
    close(transaction.message.descriptor);

    char results[4] = "";
    for (unsigned int i = 0; i < count; i++)
        results[i] = recipients[i].settled               ? (char)recipients[i].failure.result
                     : failure.result == JOB_UNREACHABLE ? 'n'
                                                         : '-';
    char const *const text =
        outcome == REMOTE_NEXT ? failure.text : recipients[count - 1].failure.text;
    if (outcome == REMOTE_NEXT)
        assert_true(failure.result == JOB_DEFERRED || failure.result == JOB_UNREACHABLE);
    assert_int_equal(outcome == REMOTE_NEXT, strpbrk(results, "-n") != NULL);
    if (strcmp(results, scene->results) != 0 ||
        strncmp(text, scene->text, strlen(scene->text)) != 0)
        fail_msg("%s: %s `%s`, expected %s `%s`", scene->name, results, text, scene->results,
                 scene->text);
    int const code = exit_of(server);
    if (code != 0)
        fail_msg("%s: the server ended with %d", scene->name, code);
}

static void play_all(struct scene const *scenes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        play(scenes + i);
}
#define PLAY_ALL(scenes) play_all(scenes, sizeof scenes / sizeof *scenes)

/* --- the scenes --- */

static void mail_passes(void **state)
{
    (void)state;
    static struct scene const scenes[] = {
        {.name = "plain",
         {HELLO, MAIL, OK, RCPT_A, OK, DATA, GO, MESSAGE, "<250 2.0.0 queued as 17\r\n", QUIT},
         "K",
         "2.0.0 mx[192.0.2.1]:25 said: 250 2.0.0 queued as 17 (end of message)"},
        {.name = "pipelining",
         {HELLO_PIPELINING, MAIL, RCPT_A, DATA, "<250 ok\r\n250 ok\r\n354 go\r\n", MESSAGE, OK,
          QUIT},
         "K",
         "2.0.0 mx[192.0.2.1]:25 said: 250 ok (end of message)"},
        {.name = "bare codes",
         {"<220\r\n", ">EHLO us.example\r\n", "<250\n", MAIL, "<250\r\n", RCPT_A, "<250\r\n", DATA,
          "<354\r\n", MESSAGE, "<250\r\n", QUIT},
         "K",
         "2.0.0 mx[192.0.2.1]:25 said: 250 (end of message)"},
        {.name = "HELO",
         {"<220 hi\r\n", ">EHLO us.example\r\n", "<502-PIPELINING\r\n502 no\r\n",
          ">HELO us.example\r\n", "<250 SIZE 1\r\n", MAIL, OK, RCPT_A, OK, DATA, GO, MESSAGE, OK,
          QUIT},
         "K",
         "2"},
        {.name = "all extensions, none needed but SIZE",
         {"<220 hi\r\n", ">EHLO us.example\r\n",
          "<250-hi\r\n250-8bitmime\r\n250-SMTPUTF8\r\n250-UNKNOWN\r\n250 SIZE 100000\r\n",
          ">MAIL FROM:<s@x.example> SIZE=12\r\n", OK, RCPT_A, OK, DATA, GO, MESSAGE, OK, QUIT},
         "K",
         "2",
         .smtputf8 = true},
        {.name = "the first line is no extension",
         {"<220 hi\r\n", ">EHLO us.example\r\n", "<250-SIZE 5\r\n250 8BITMIME\r\n", MAIL, OK,
          RCPT_A, OK, DATA, GO, MESSAGE, OK, QUIT},
         "K",
         "2"},
        {.name = "8-bit",
         {"<220 hi\r\n", ">EHLO us.example\r\n", "<250-hi\r\n250 8BITMIME\r\n",
          ">MAIL FROM:<s@x.example> BODY=8BITMIME\r\n", OK, RCPT_A, OK, DATA, GO,
          "=A: b\r\n\r\n\xff\r\n.\r\n", OK, QUIT},
         "K",
         "2",
         "A: b\n\n\xff\n"},
        {.name = "UTF-8",
         {"<220 hi\r\n", ">EHLO us.example\r\n", "<250-hi\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n",
          ">MAIL FROM:<\xc3\xa4@x.example> SMTPUTF8\r\n", OK, RCPT_A, OK, DATA, GO, MESSAGE, OK,
          QUIT},
         "K",
         "2",
         .sender = "\xc3\xa4@x.example"},
        {.name = "8-bit header of an SMTPUTF8 message",
         {"<220 hi\r\n", ">EHLO us.example\r\n", "<250-hi\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n",
          ">MAIL FROM:<s@x.example> BODY=8BITMIME SMTPUTF8\r\n", OK, RCPT_A, OK, DATA, GO,
          "=A: \xc3\xa4\r\n.\r\n", OK, QUIT},
         "K",
         "2",
         "A: \xc3\xa4\n",
         .smtputf8 = true},
        {.name = "quoted",
         {HELLO, ">MAIL FROM:<\"a b\"@x.example>\r\n", OK, ">RCPT TO:<\"x>\\\"y\"@y.example>\r\n",
          OK, ">RCPT TO:<postmaster>\r\n", OK, DATA, GO, MESSAGE, OK, QUIT},
         "KK",
         "2",
         .sender = "a b@x.example",
         .recipients = {"x>\"y@y.example", "postmaster"}},
        {.name = "null sender",
         {HELLO, ">MAIL FROM:<>\r\n", OK, RCPT_A, OK, DATA, GO, MESSAGE, OK, QUIT},
         "K",
         "2",
         .sender = ""},
        {.name = "qmail's null sender",
         {HELLO, ">MAIL FROM:<>\r\n", OK, RCPT_A, OK, DATA, GO, MESSAGE, OK, QUIT},
         "K",
         "2",
         .sender = "#@[]"},
        {.name = "line ends",
         {HELLO, MAIL, OK, RCPT_A, OK, DATA, GO, "=a\r\n..\r\n..\r\nb\r\n.\r\n", OK, QUIT},
         "K",
         "2",
         "a\r.\n.\r\nb"},
        {.name = "empty message",
         {HELLO, MAIL, OK, RCPT_A, OK, DATA, GO, "=.\r\n", OK, QUIT},
         "K",
         "2",
         ""},
        {.name = "251 is not followed",
         {HELLO, MAIL, OK, RCPT_A, "<251 will forward to <z@z.example>\r\n", DATA, GO, MESSAGE, OK,
          QUIT},
         "K",
         "2"},
        {.name = "no answer to QUIT",
         {HELLO, MAIL, OK, RCPT_A, OK, DATA, GO, MESSAGE, OK, ">QUIT\r\n", "~"},
         "K",
         "2"},
    };
    PLAY_ALL(scenes);
}

static void recipients_are_told_apart(void **state)
{
    (void)state;
    static struct scene const scenes[] = {
        {.name = "each its own",
         {HELLO, MAIL, OK, RCPT_A, OK, RCPT_B, "<550 5.1.1 no such user\r\n", RCPT_C,
          "<450 later\r\n", DATA, GO, MESSAGE, OK, QUIT},
         "KDZ",
         "4.2.0 mx[192.0.2.1]:25 said: 450 later (RCPT)",
         .recipients = RECIPIENTS},
        {.name = "each its own, pipelining",
         {HELLO_PIPELINING, MAIL, RCPT_A, RCPT_B, RCPT_C, DATA,
          "<250 ok\r\n450 later\r\n250 ok\r\n550-5.1.1 no\r\n550 5.1.1 such user\r\n354 go\r\n",
          MESSAGE, OK, QUIT},
         "ZKD",
         "5.1.1 mx[192.0.2.1]:25 said: 550 5.1.1 no such user (RCPT)",
         .recipients = RECIPIENTS},
        {.name = "too many recipients",
         {HELLO, MAIL, OK, RCPT_A, OK, RCPT_B, "<452 too many\r\n", RCPT_C, "<552 too many\r\n",
          DATA, GO, MESSAGE, OK, QUIT},
         "KZZ",
         "4.5.3 mx[192.0.2.1]:25 said: 552 too many (RCPT)",
         .recipients = RECIPIENTS},
        {.name = "552 to the first",
         {HELLO, MAIL, OK, RCPT_A, "<552 full\r\n", QUIT},
         "D",
         "5.2.2 mx[192.0.2.1]:25 said: 552 full (RCPT)"},
        {.name = "551 is not followed",
         {HELLO, MAIL, OK, RCPT_A, "<551 try <z@z.example>\r\n", QUIT},
         "D",
         "5.1.6 mx[192.0.2.1]:25 said: 551 try <z@z.example> (RCPT)"},
        {.name = "354 though all failed",
         {HELLO_PIPELINING, MAIL, RCPT_A, DATA, "<250 ok\r\n550 no\r\n354 go\r\n", "=.\r\n",
          "<554 no valid recipients\r\n", QUIT},
         "D",
         "5.1.1 mx[192.0.2.1]:25 said: 550 no (RCPT)"},
        {.name = "503 since all failed",
         {HELLO_PIPELINING, MAIL, RCPT_A, DATA, "<250 ok\r\n450 no\r\n503 no\r\n", QUIT},
         "Z",
         "4.2.0"},
        {.name = "250 to DATA since all failed",
         {HELLO_PIPELINING, MAIL, RCPT_A, DATA, "<250 ok\r\n450 no\r\n250 no\r\n", "~"},
         "Z",
         "4.2.0"},
        {.name = "gone since all failed",
         {HELLO_PIPELINING, MAIL, RCPT_A, DATA, "<250 ok\r\n550 no\r\n"},
         "D",
         "5.1.1"},
        {.name = "MAIL refused",
         {HELLO, MAIL, "<550 5.7.1 spam\r\n", QUIT},
         "DDD",
         "5.7.1 mx[192.0.2.1]:25 said: 550 5.7.1 spam (MAIL)",
         .recipients = RECIPIENTS},
        {.name = "MAIL refused, pipelining",
         {HELLO_PIPELINING, MAIL, RCPT_A, DATA, "<451 greylisted\r\n503 no\r\n503 no\r\n", QUIT},
         "Z",
         "4.0.0 mx[192.0.2.1]:25 said: 451 greylisted (MAIL)"},
        {.name = "MAIL refused, pipelining, and gone",
         {HELLO_PIPELINING, MAIL, RCPT_A, DATA, "<550 5.7.1 no\r\n"},
         "D",
         "5.7.1 mx[192.0.2.1]:25 said: 550 5.7.1 no (MAIL)"},
        {.name = "MAIL refused, a recipient taken, 354: it would get the empty message",
         {HELLO_PIPELINING, MAIL, RCPT_A, DATA, "<550 no\r\n250 ok\r\n354 go\r\n", "~"},
         "D",
         "5.0.0 mx[192.0.2.1]:25 said: 550 no (MAIL)"},
        {.name = "MAIL refused, pipelining, 354",
         {HELLO_PIPELINING, MAIL, RCPT_A, DATA, "<550 no\r\n503 no\r\n354 go\r\n", "=.\r\n", OK,
          QUIT},
         "D",
         "5.0.0 mx[192.0.2.1]:25 said: 550 no (MAIL)"},
        {.name = "DATA refused",
         {HELLO, MAIL, OK, RCPT_A, "<450 no\r\n", RCPT_B, OK, DATA, "<554 no\r\n", QUIT},
         "ZD",
         "5.0.0 mx[192.0.2.1]:25 said: 554 no (DATA)",
         .recipients = {"a@y.example", "b@y.example"}},
        {.name = "DATA deferred",
         {HELLO, MAIL, OK, RCPT_A, OK, DATA, "<451 4.7.1 no\r\n", QUIT},
         "Z",
         "4.7.1 mx[192.0.2.1]:25 said: 451 4.7.1 no (DATA)"},
        {.name = "message refused",
         {HELLO, MAIL, OK, RCPT_A, OK, DATA, GO, MESSAGE, "<554 5.6.0 virus\r\n", QUIT},
         "D",
         "5.6.0 mx[192.0.2.1]:25 said: 554 5.6.0 virus (end of message)"},
        {.name = "message deferred",
         {HELLO, MAIL, OK, RCPT_A, OK, DATA, GO, MESSAGE, "<452 full\r\n", QUIT},
         "Z",
         "4.3.1 mx[192.0.2.1]:25 said: 452 full (end of message)"},
        {.name = "421 to the message",
         {HELLO, MAIL, OK, RCPT_A, OK, DATA, GO, MESSAGE, "<421 no\r\n", "~"},
         "Z",
         "4.3.2 mx[192.0.2.1]:25 said: 421 no (end of message)"},
        {.name = "control octets",
         {HELLO, MAIL, OK, RCPT_A, "<550 \x1b[2J\x07 \xff\r\n", QUIT},
         "D",
         "5.1.1 mx[192.0.2.1]:25 said: 550 ?[2J? ? (RCPT)"},
    };
    PLAY_ALL(scenes);
}

static void what_cannot_pass(void **state)
{
    (void)state;
    static struct scene const scenes[] = {
        {.name = "too large",
         {"<220 hi\r\n", ">EHLO us.example\r\n", "<250-hi\r\n250 SIZE 11\r\n", QUIT},
         "D",
         "5.3.4 mx[192.0.2.1]:25 takes messages of up to 11 octets (SIZE), this one has 12"},
        {.name = "just fits",
         {"<220 hi\r\n", ">EHLO us.example\r\n", "<250-hi\r\n250 SIZE 12\r\n",
          ">MAIL FROM:<s@x.example> SIZE=12\r\n", OK, RCPT_A, OK, DATA, GO, MESSAGE, OK, QUIT},
         "K",
         "2"},
        {.name = "8-bit body", {HELLO, QUIT}, "D", "5.6.3", "A: b\n\n\xff\n"},
        {.name = "8-bit header", {HELLO, QUIT}, "D", "5.6.3", "A: \xff\n\nb\n"},
        {.name = "8-bit header of an SMTPUTF8 message",
         {"<220 hi\r\n", ">EHLO us.example\r\n", "<250-hi\r\n250 8BITMIME\r\n", QUIT},
         "D",
         "5.6.7",
         "A: \xc3\xa4\n\nb\n",
         .smtputf8 = true},
        {.name = "UTF-8 sender", {HELLO, QUIT}, "D", "5.6.7", .sender = "\xc3\xa4@x.example"},
        {.name = "a UTF-8 recipient",
         {HELLO, MAIL, OK, RCPT_A, OK, DATA, GO, MESSAGE, OK, QUIT},
         "DK",
         "2",
         .recipients = {"\xc3\xa4@y.example", "a@y.example"}},
        {.name = "a control character", {"~"}, "D", "5.1.3", .recipients = {"a\nb@y.example"}},
        {.name = "a parameter",
         {HELLO, MAIL, OK, RCPT_A, OK, DATA, GO, MESSAGE, OK, QUIT},
         "DKD",
         "5.1.3",
         .recipients = {"x@y.example> NOTIFY=NEVER", "a@y.example", "x@y.example>\r\nRSET"}},
        {.name = "malformed UTF-8", {"~"}, "D", "5.1.3", .recipients = {"\xff@y.example"}},
        {.name = "no recipient", {"~"}, "D", "5.1.3", .recipients = {""}},
        {.name = "no local part", {"~"}, "D", "5.1.3", .recipients = {"@y.example"}},
        {.name = "sender",
         {"~"},
         "DDD",
         "5.1.7",
         .sender = "s@x> SIZE=0",
         .recipients = RECIPIENTS},
    };
    PLAY_ALL(scenes);
}

static void another_server_is_asked(void **state)
{
    (void)state;
    static struct scene const scenes[] = {
        {.name = "no greeting",
         {0},
         "n",
         "4.4.2 mx[192.0.2.1]:25 closed the connection (greeting)"},
        {.name = "silence",
         {"~"},
         "n",
         "4.4.2 mx[192.0.2.1]:25 does not answer in time (greeting)",
         .timeout = 1},
        {.name = "554 greeting",
         {"<554 5.7.1 go away\r\n", QUIT},
         "n",
         "4.7.1 mx[192.0.2.1]:25 said: 554 5.7.1 go away (greeting)"},
        {.name = "421 greeting",
         {"<421 busy\r\n", "~"},
         "n",
         "4.3.2 mx[192.0.2.1]:25 said: 421 busy (greeting)"},
        {.name = "354 greeting",
         {"<354 go\r\n", "~"},
         "n",
         "4.5.0 mx[192.0.2.1]:25 gives an answer that makes no sense here: 354 go (greeting)"},
        {.name = "another protocol",
         {"<HTTP/1.1 400 Bad Request\r\n", "~"},
         "n",
         "4.5.0 mx[192.0.2.1]:25 sends what is no answer: HTTP/1.1 400 Bad Request (greeting)"},
        {.name = "greeting twice",
         {"<220 hi\r\n220 hi\r\n", "~"},
         "n",
         "4.5.0 mx[192.0.2.1]:25 answers before it was asked: 220 hi (EHLO)"},
        {.name = "421 after the greeting",
         {"<220 hi\r\n421 no\r\n", "~"},
         "n",
         "4.3.2 mx[192.0.2.1]:25 said: 421 no (EHLO)"},
        {.name = "EHLO 421",
         {"<220 hi\r\n", ">EHLO us.example\r\n", "<421 no\r\n", "~"},
         "n",
         "4.3.2 mx[192.0.2.1]:25 said: 421 no (EHLO)"},
        {.name = "EHLO 451",
         {"<220 hi\r\n", ">EHLO us.example\r\n", "<451 no\r\n", QUIT},
         "n",
         "4.0.0 mx[192.0.2.1]:25 said: 451 no (EHLO)"},
        {.name = "HELO 550",
         {"<220 hi\r\n", ">EHLO us.example\r\n", "<550 no\r\n", ">HELO us.example\r\n",
          "<550 no\r\n", QUIT},
         "n",
         "4.0.0 mx[192.0.2.1]:25 said: 550 no (HELO)"},
        {.name = "MAIL 421", {HELLO, MAIL, "<421 no\r\n", "~"}, "-", "4.3.2 "},
        {.name = "MAIL 354", {HELLO, MAIL, GO, "~"}, "n", "4.5.0 "},
        {.name = "RCPT 421",
         {HELLO, MAIL, OK, RCPT_A, OK, RCPT_B, "<421 no\r\n", "~"},
         "--",
         "4.3.2 ",
         .recipients = {"a@y.example", "b@y.example"}},
        {.name = "RCPT 354", {HELLO, MAIL, OK, RCPT_A, GO, "~"}, "-", "4.5.0 "},
        {.name = "RCPT 550, 421",
         {HELLO, MAIL, OK, RCPT_A, "<550 no\r\n", RCPT_B, "<421 no\r\n", "~"},
         "D-",
         "4.3.2 ",
         .recipients = {"a@y.example", "b@y.example"}},
        {.name = "DATA 421",
         {HELLO, MAIL, OK, RCPT_A, OK, DATA, "<421 no\r\n", "~"},
         "-",
         "4.3.2 "},
        {.name = "DATA 250",
         {HELLO, MAIL, OK, RCPT_A, OK, DATA, OK, "~"},
         "-",
         "4.5.0 mx[192.0.2.1]:25 gives an answer that makes no sense here: 250 ok (DATA)"},
        {.name = "an answer too many",
         {HELLO, MAIL, "<250 ok\r\n250 ok\r\n", "~"},
         "-",
         "4.5.0 mx[192.0.2.1]:25 answers before it was asked: 250 ok (RCPT)"},
        {.name = "the answer to the message comes with 354",
         {HELLO, MAIL, OK, RCPT_A, OK, DATA, "<354 go\r\n250 ok\r\n", "~"},
         "-",
         "4.5.0 mx[192.0.2.1]:25 answers before it has the message: 250 ok (message)"},
        {.name = "421 with 354",
         {HELLO, MAIL, OK, RCPT_A, OK, DATA, "<354 go\r\n421 no\r\n", "~"},
         "-",
         "4.3.2 mx[192.0.2.1]:25 said: 421 no (message)"},
        /* while the rest is awaited the message does not slip out: the next server gets it too */
        {.name = "half an answer to the message comes with 354",
         {HELLO, MAIL, OK, RCPT_A, OK, DATA, "<354 go\r\n25", "~"},
         "-",
         "4.4.2 ",
         .timeout = 4},
        {.name = "a reply that is cut",
         {HELLO, MAIL, "<250-ok\r\n25"},
         "n",
         "4.4.2 mx[192.0.2.1]:25 closed the connection (MAIL)"},
    };
    PLAY_ALL(scenes);
}

static void no_other_server_is_asked(void **state)
{
    (void)state;
    static struct scene const scenes[] = {
        {.name = "gone after the dot",
         {HELLO, MAIL, OK, RCPT_A, OK, DATA, GO, MESSAGE},
         "Z",
         "4.4.2 mx[192.0.2.1]:25 closed the connection (end of message): it may have the message "
         "all the same"},
        {.name = "silent after the dot",
         {HELLO, MAIL, OK, RCPT_A, OK, DATA, GO, MESSAGE, "~"},
         "Z",
         "4.4.2 mx[192.0.2.1]:25 does not answer in time (end of message): it may",
         .timeout = 4},
        {.name = "garbage after the dot",
         {HELLO, MAIL, OK, RCPT_A, OK, DATA, GO, MESSAGE, "<hm\r\n", "~"},
         "Z",
         "4.5.0 mx[192.0.2.1]:25 sends what is no answer: hm (end of message): it may"},
        {.name = "354 after the dot",
         {HELLO, MAIL, OK, RCPT_A, OK, DATA, GO, MESSAGE, GO, "*"},
         "Z",
         "4.0.0 mx[192.0.2.1]:25 said: 354 go (end of message)"},
        {.name = "refused before it was sent",
         {HELLO, MAIL, OK, RCPT_A, OK, DATA, "<354 go\r\n552 too big\r\n", "~"},
         "D",
         "5.3.4 mx[192.0.2.1]:25 said: 552 too big (message)"},
        {.name = "deferred before it was sent",
         {HELLO, MAIL, OK, RCPT_A, OK, DATA, "<354 go\r\n451 no\r\n", "~"},
         "Z",
         "4.0.0 mx[192.0.2.1]:25 said: 451 no (message)"},
    };
    PLAY_ALL(scenes);
}

/* The dot never goes out for bytes that are not what they were. */
static void a_damaged_message_is_cut_off(void **state)
{
    (void)state;
    static char const *const steps[] = {HELLO, MAIL, OK, RCPT_A, OK, DATA, GO, "~", 0};
    struct remote_recipient recipient = {.address = "a@y.example"};
    struct failure failure;
    for (int way = 0; way < 2; way++) {
        int descriptor;
        pid_t const server = start_server(steps, &descriptor);
        struct remote_session session = session_of(descriptor, 60);
        recipient.settled = false;
        struct remote_transaction transaction = {.sender = "s@x.example",
                                                 .message = message_of(PLAIN, strlen(PLAIN)),
                                                 .recipients = &recipient,
                                                 .count = 1};
        if (way == 0)
            assert_int_equal(pwrite(transaction.message.descriptor, "x", 1, 3), 1);
        else
            assert_int_equal(ftruncate(transaction.message.descriptor, 4), 0);
        assert_int_equal(remote_session_run(&session, &transaction, &failure), REMOTE_SETTLED);
        assert_int_equal(recipient.failure.result, JOB_CORRUPT);
        assert_false(session.may_quit);
        remote_session_close(&session);
        close(transaction.message.descriptor);
        assert_int_equal(exit_of(server), 0);
    }
}

/* Reads nothing until all of the client's envelope would have to be in flight, then answers all of
 * it at once and reads only then. Neither side may wait for the other. */
static _Noreturn void serve_stubbornly(int descriptor, unsigned int count)
{
    static char const hello[] = "220 hi\r\n", extensions[] = "250-hi\r\n250 PIPELINING\r\n";
    char buffer[4096];
    size_t lines = 0;
    alarm(60);
    if (write(descriptor, hello, strlen(hello)) < 0 || read(descriptor, buffer, 4096) <= 0 ||
        write(descriptor, extensions, strlen(extensions)) < 0)
        _exit(1);
    while (lines < count + 2) { /* one octet at a time: the client's writes find no room */
        char byte;
        if (read(descriptor, &byte, 1) != 1)
            _exit(2);
        if (byte != '\n')
            continue;
        lines++;
        memset(buffer, 'x', 500);
        memcpy(buffer, lines == count + 2 ? "354 " : lines % 2 ? "250 " : "550 ", 4);
        memcpy(buffer + 500, "\r\n", 2);
        for (size_t done = 0; done < 502;) { /* blocks while the client does not read */
            ssize_t const put = write(descriptor, buffer + done, 502 - done);
            if (put <= 0)
                _exit(3);
            done += (size_t)put;
        }
    }
    expect_octets(descriptor, &MESSAGE[1]);
    if (write(descriptor, "250 ok\r\n", 8) != 8)
        _exit(4);
    expect_octets(descriptor, "QUIT\r\n");
    _exit(0);
}

/* Answers all of a pipeline when it has seen its first command, and reads the rest then. */
static _Noreturn void serve_hastily(int descriptor, unsigned int count)
{
    alarm(60);
    if (write(descriptor, "220 hi\r\n", 8) != 8)
        _exit(1);
    expect_octets(descriptor, "EHLO us.example\r\n");
    if (write(descriptor, "250-hi\r\n250 PIPELINING\r\n", 24) != 24)
        _exit(1);
    expect_octets(descriptor, "MAIL FROM:<s@x.example>\r\n");
    for (unsigned int i = 0; i < count + 1; i++)
        if (write(descriptor, "250 ok\r\n", 8) != 8)
            _exit(0); /* the client has had enough */
    _exit(0);
}

/* Runs a session with COUNT recipients and SERVER, with little room in the kernel. Returns the
 * outcome; *recipients is to be freed. */
static enum remote_outcome run_long(void server(int, unsigned int), unsigned int count,
                                    struct remote_recipient **recipients, struct failure *failure)
{
    int ends[2], size = 4096;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    pid_t const pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        signal(SIGPIPE, SIG_IGN);
        server(ends[1], count);
    }
    close(ends[1]);
    assert_int_equal(ndelay_on(ends[0]), 0);
    struct remote_session session = session_of(ends[0], 60);
    *recipients = calloc(count, sizeof **recipients);
    assert_non_null(*recipients);
    for (unsigned int i = 0; i < count; i++)
        (*recipients)[i].address = "a-rather-long-name-of-a-recipient@a-long-domain.y.example";
    struct remote_transaction transaction = {.sender = "s@x.example",
                                             .message = message_of(PLAIN, strlen(PLAIN)),
                                             .recipients = *recipients,
                                             .count = count};
    enum remote_outcome const outcome = remote_session_run(&session, &transaction, failure);
    remote_session_quit(&session);
    remote_session_close(&session);
    close(transaction.message.descriptor);
    assert_int_equal(exit_of(pid), 0);
    return outcome;
}

static void long_pipelines_do_not_block(void **state)
{
    enum { COUNT = 5000 };
    struct remote_recipient *recipients;
    struct failure failure;
    (void)state;
    assert_int_equal(run_long(serve_stubbornly, COUNT, &recipients, &failure), REMOTE_SETTLED);
    for (unsigned int i = 0; i < COUNT; i++) /* MAIL is line 1, recipient 0 line 2: 550 */
        assert_int_equal(recipients[i].failure.result, i % 2 ? JOB_DELIVERED : JOB_FAILED);
    free(recipients);
}

static void answers_before_commands_are_none(void **state)
{
    enum { COUNT = 5000 };
    struct remote_recipient *recipients;
    struct failure failure;
    (void)state;
    assert_int_equal(run_long(serve_hastily, COUNT, &recipients, &failure), REMOTE_NEXT);
    assert_string_equal(failure.text,
                        "4.5.0 mx[192.0.2.1]:25 answers before it was asked: 250 ok (RCPT)");
    for (unsigned int i = 0; i < COUNT; i++)
        assert_false(recipients[i].settled);
    free(recipients);
}

/* --- one after the other --- */

#define FIRST      HELLO, MAIL, OK, RCPT_A, OK, DATA, GO, MESSAGE, OK
#define RSET       ">RSET\r\n", OK
#define RCPT_A_TOO "RCPT TO:<a@y.example>\r\n"
#define RCPT_B_TOO "RCPT TO:<b@y.example>\r\n"
#define DATA_TOO   "DATA\r\n"
#define CHUNK      ">BDAT 12 LAST\r\n", "=A: b\r\n\r\n.x\r\n"

/* What one more transaction with two recipients comes to, on a connection that had one. */
struct further {
    char const *name;
    char const *steps[STEPS_MAX]; /* from the greeting to the end */
    char const *results;          /* of the further one; a scene has the letters */
    enum remote_outcome outcome;
    enum remote_session_state state;
    char const *text; /* of the failure, where the outcome is REMOTE_STALE */
};

static enum remote_outcome run_transaction(struct remote_session *session, unsigned int count,
                                           char results[3], struct failure *failure)
{
    struct remote_recipient recipients[] = {{.address = "a@y.example"}, {.address = "b@y.example"}};
    struct remote_transaction transaction = {.sender = "s@x.example",
                                             .message = message_of(PLAIN, strlen(PLAIN)),
                                             .recipients = recipients,
                                             .count = count};
    enum remote_outcome const outcome = remote_session_run(session, &transaction, failure);
    close(transaction.message.descriptor);
    memset(results, 0, 3);
    for (unsigned int i = 0; i < count; i++)
        results[i] = recipients[i].settled ? (char)recipients[i].failure.result : '-';
    return outcome;
}

static void play_further(struct further const *scene)
{
    char results[3];
    int descriptor;
    struct failure failure = {.text = ""};
    pid_t const server = start_server(scene->steps, &descriptor);
    struct remote_session session = session_of(descriptor, 2);
    assert_int_equal(run_transaction(&session, 1, results, &failure), REMOTE_SETTLED);
    assert_string_equal(results, "K");
    assert_int_equal(session.state, REMOTE_SESSION_READY);
    enum remote_outcome const outcome = run_transaction(&session, 2, results, &failure);
    if (outcome != scene->outcome || session.state != scene->state ||
        strcmp(results, scene->results) != 0 ||
        (outcome == REMOTE_STALE && strncmp(failure.text, scene->text, strlen(scene->text)) != 0))
        fail_msg("%s: outcome %d, state %d, %s `%s`", scene->name, outcome, session.state, results,
                 failure.text);
    if (session.state == REMOTE_SESSION_MIDWAY)
        remote_session_reset(&session);
    if (session.state == REMOTE_SESSION_READY) {
        assert_int_equal(run_transaction(&session, 1, results, &failure), REMOTE_SETTLED);
        assert_string_equal(results, "K");
    }
    remote_session_quit(&session);
    remote_session_close(&session);
    assert_int_equal(session.state, REMOTE_SESSION_OVER);
    int const code = exit_of(server);
    if (code != 0)
        fail_msg("%s: the server ended with %d", scene->name, code);
}

static void a_session_is_used_again(void **state)
{
    (void)state;
    static struct further const scenes[] = {
        {"all is well",
         {FIRST, MAIL, OK, RCPT_A, OK, RCPT_B, OK, DATA,    GO, MESSAGE,
          OK,    MAIL, OK, RCPT_A, OK, DATA,   GO, MESSAGE, OK, QUIT},
         "KK",
         REMOTE_SETTLED,
         REMOTE_SESSION_READY,
         ""},
        {"one is refused",
         {FIRST, MAIL, OK,     RCPT_A, "<550 no\r\n", RCPT_B, OK,      DATA, GO,  MESSAGE, OK,
          MAIL,  OK,   RCPT_A, OK,     DATA,          GO,     MESSAGE, OK,   QUIT},
         "DK",
         REMOTE_SETTLED,
         REMOTE_SESSION_READY,
         ""},
        {"all are refused",
         {FIRST, MAIL, OK, RCPT_A, "<550 no\r\n", RCPT_B, "<550 no\r\n", RSET, MAIL, OK, RCPT_A, OK,
          DATA, GO, MESSAGE, OK, QUIT},
         "DD",
         REMOTE_SETTLED,
         REMOTE_SESSION_MIDWAY,
         ""},
        {"no RSET",
         {FIRST, MAIL, OK, RCPT_A, "<550 no\r\n", RCPT_B, "<550 no\r\n", ">RSET\r\n", "<502 no\r\n",
          QUIT},
         "DD",
         REMOTE_SETTLED,
         REMOTE_SESSION_MIDWAY,
         ""},
        {"421 to RSET",
         {FIRST, MAIL, OK, RCPT_A, "<550 no\r\n", RCPT_B, "<550 no\r\n", ">RSET\r\n", "<421 no\r\n",
          "~"},
         "DD",
         REMOTE_SETTLED,
         REMOTE_SESSION_MIDWAY,
         ""},
        {"one is put off",
         {FIRST, MAIL, OK, RCPT_A, "<450 no\r\n", RCPT_B, OK, DATA, GO, MESSAGE, OK, QUIT},
         "ZK",
         REMOTE_SETTLED,
         REMOTE_SESSION_OVER,
         ""},
        {"all are put off",
         {FIRST, MAIL, OK, RCPT_A, "<450 no\r\n", RCPT_B, "<550 no\r\n", QUIT},
         "-D",
         REMOTE_STALE,
         REMOTE_SESSION_OVER,
         "4.2.0 "},
        {"no MAIL",
         {FIRST, MAIL, "<550 no\r\n", QUIT},
         "--",
         REMOTE_STALE,
         REMOTE_SESSION_OVER,
         "5.0.0 "},
        {"no MAIL for now",
         {FIRST, MAIL, "<451 no\r\n", QUIT},
         "--",
         REMOTE_STALE,
         REMOTE_SESSION_OVER,
         "4.0.0 "},
        {"no DATA for now",
         {FIRST, MAIL, OK, RCPT_A, OK, RCPT_B, OK, DATA, "<451 no\r\n", QUIT},
         "--",
         REMOTE_STALE,
         REMOTE_SESSION_OVER,
         "4.0.0 "},
        {"no DATA",
         {FIRST, MAIL, OK, RCPT_A, OK, RCPT_B, OK, DATA, "<554 no\r\n", RSET, MAIL, OK, RCPT_A, OK,
          DATA, GO, MESSAGE, OK, QUIT},
         "DD",
         REMOTE_SETTLED,
         REMOTE_SESSION_MIDWAY,
         ""},
        {"the message is refused",
         {FIRST,         MAIL, OK, RCPT_A, OK, RCPT_B, OK, DATA,    GO, MESSAGE,
          "<554 no\r\n", MAIL, OK, RCPT_A, OK, DATA,   GO, MESSAGE, OK, QUIT},
         "DD",
         REMOTE_SETTLED,
         REMOTE_SESSION_READY,
         ""},
        {"the message is put off",
         {FIRST, MAIL, OK, RCPT_A, OK, RCPT_B, OK, DATA, GO, MESSAGE, "<451 no\r\n", QUIT},
         "ZZ",
         REMOTE_SETTLED,
         REMOTE_SESSION_OVER,
         ""},
        {"421 to the message",
         {FIRST, MAIL, OK, RCPT_A, OK, RCPT_B, OK, DATA, GO, MESSAGE, "<421 no\r\n", "~"},
         "ZZ",
         REMOTE_SETTLED,
         REMOTE_SESSION_OVER,
         ""},
        {"the end behind the final dot",
         {FIRST, MAIL, OK, RCPT_A, OK, RCPT_B, OK, DATA, GO, MESSAGE},
         "ZZ",
         REMOTE_SETTLED,
         REMOTE_SESSION_OVER,
         ""},
        {"by DATA behind a chunk",
         {"<220 hi\r\n",
          ">EHLO us.example\r\n",
          "<250-hi\r\n250 CHUNKING\r\n",
          MAIL,
          OK,
          RCPT_A,
          OK,
          CHUNK,
          OK,
          MAIL,
          OK,
          RCPT_A,
          OK,
          RCPT_B,
          OK,
          DATA,
          GO,
          MESSAGE,
          "<554 no\r\n",
          MAIL,
          OK,
          RCPT_A,
          OK,
          DATA,
          GO,
          MESSAGE,
          OK,
          QUIT},
         "DD",
         REMOTE_SETTLED,
         REMOTE_SESSION_READY,
         ""},
        {"421 in between",
         {FIRST, MAIL, "<421 no\r\n", "~"},
         "--",
         REMOTE_STALE,
         REMOTE_SESSION_OVER,
         "4.3.2 "},
        {"an end in between", {FIRST}, "--", REMOTE_STALE, REMOTE_SESSION_OVER, "4.4.2 "},
        {"silence",
         {FIRST, MAIL, "~"},
         "--",
         REMOTE_STALE,
         REMOTE_SESSION_OVER,
         "4.4.2 mx[192.0.2.1]:25 does not answer in time (MAIL)"},
        {"garbage",
         {FIRST, MAIL, "<what?\r\n", "~"},
         "--",
         REMOTE_STALE,
         REMOTE_SESSION_OVER,
         "4.5.0 "},
        {"an end behind DATA",
         {FIRST, MAIL, OK, RCPT_A, "<550 no\r\n", RCPT_B, OK, DATA},
         "--",
         REMOTE_STALE,
         REMOTE_SESSION_OVER,
         "4.4.2 "},
    };
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++)
        play_further(scenes + i);
}

/* By LMTP a server may have one answer too many, and it may come late: then each answer to a
 * command is the one to the command before. A refusal among them is not believed. */
static void an_answer_that_is_left_over_refuses_nobody(void **state)
{
    (void)state;
    static struct remote_way const way = {.host = "y.example", .lmtp = true};
    static char const *const ends[] = {"<250 late\r\n250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n",
                                       "<250 late\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char const *const steps[] = {"<220 hi\r\n",
                                     ">LHLO us.example\r\n",
                                     "<250-hi\r\n250 PIPELINING\r\n",
                                     MAIL RCPT_A_TOO DATA_TOO,
                                     "<250 ok\r\n250 ok\r\n354 go\r\n",
                                     MESSAGE,
                                     OK,
                                     MAIL RCPT_A_TOO RCPT_B_TOO DATA_TOO,
                                     ends[i],
                                     "*",
                                     NULL};
        char results[3];
        int descriptor;
        struct failure failure = {.text = ""};
        pid_t const server = start_server(steps, &descriptor);
        struct remote_session session = session_of(descriptor, 2);
        session.way = &way;
        assert_int_equal(run_transaction(&session, 1, results, &failure), REMOTE_SETTLED);
        assert_string_equal(results, "K");
        assert_int_equal(run_transaction(&session, 2, results, &failure), REMOTE_STALE);
        assert_string_equal(results, "--");
        remote_session_close(&session);
        assert_int_equal(exit_of(server), 0);
    }
}

/* What comes with the answer to the final dot is not for the next transaction. */
static void a_session_with_something_left_is_not(void **state)
{
    (void)state;
    static char const *const steps[] = {
        HELLO, MAIL, OK, RCPT_A, OK, DATA, GO, MESSAGE, "<250 ok\r\n421 bye\r\n", "~", NULL};
    char results[3];
    int descriptor;
    struct failure failure = {.text = ""};
    pid_t const server = start_server(steps, &descriptor);
    struct remote_session session = session_of(descriptor, 2);
    assert_int_equal(run_transaction(&session, 1, results, &failure), REMOTE_SETTLED);
    assert_string_equal(results, "K");
    assert_int_equal(session.state, REMOTE_SESSION_OVER);
    remote_session_close(&session);
    assert_int_equal(exit_of(server), 0);
}

/* RFC 3030 2: the transaction is in an unknown state. */
static void a_refused_chunk_is_followed_by_rset(void **state)
{
    (void)state;
    static char const *const steps[] = {"<220 hi\r\n",
                                        ">EHLO us.example\r\n",
                                        "<250-hi\r\n250 CHUNKING\r\n",
                                        MAIL,
                                        OK,
                                        RCPT_A,
                                        OK,
                                        CHUNK,
                                        "<554 no\r\n",
                                        RSET,
                                        QUIT,
                                        NULL};
    char results[3];
    int descriptor;
    struct failure failure = {.text = ""};
    pid_t const server = start_server(steps, &descriptor);
    struct remote_session session = session_of(descriptor, 2);
    assert_int_equal(run_transaction(&session, 1, results, &failure), REMOTE_SETTLED);
    assert_string_equal(results, "D");
    assert_int_equal(session.state, REMOTE_SESSION_MIDWAY);
    remote_session_reset(&session);
    assert_int_equal(session.state, REMOTE_SESSION_READY);
    remote_session_quit(&session);
    remote_session_close(&session);
    assert_int_equal(exit_of(server), 0);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(mail_passes),
        cmocka_unit_test(recipients_are_told_apart),
        cmocka_unit_test(what_cannot_pass),
        cmocka_unit_test(another_server_is_asked),
        cmocka_unit_test(no_other_server_is_asked),
        cmocka_unit_test(a_damaged_message_is_cut_off),
        cmocka_unit_test(long_pipelines_do_not_block),
        cmocka_unit_test(answers_before_commands_are_none),
        cmocka_unit_test(a_session_is_used_again),
        cmocka_unit_test(an_answer_that_is_left_over_refuses_nobody),
        cmocka_unit_test(a_session_with_something_left_is_not),
        cmocka_unit_test(a_refused_chunk_is_followed_by_rset),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, 0, 0);
}
