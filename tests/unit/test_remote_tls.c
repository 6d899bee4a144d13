/* deliver/remote_tls.h with a service that follows a script: what each failure is called, that
 * nothing stays open, and that no service can hold us up. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <skalibs/djbunix.h>

#include "deliver/remote_tls.h"
#include "lib/packet.h"

/* What the engine does after the request came, a letter each:
 *   R H F  says so     x  says nonsense     G  awaits it     c  closes its answers
 *   e      echoes one octet of the plain socket, in capitals
 *   s      waits until we are gone */
struct scene {
    char const *name, *script;
    char const *asked, *begun; /* why the step failed; NULL: it did not */
};

static struct scene const scenes[] = {
    {"all is well", "RGHe", NULL, NULL},
    {"refused", "F", "no key", NULL},
    {"ended before R", "c", "the TLS engine ended without a word", NULL},
    {"nonsense", "x", "the TLS engine ended without a word", NULL},
    {"H before R", "H", "the TLS engine speaks out of turn", NULL},
    {"silent", "s", "Connection timed out", NULL},
    {"the handshake failed", "RGF", NULL, "no key"},
    {"ended in the handshake", "RGc", NULL, "the TLS engine ended without a word"},
    {"R again", "RGR", NULL, "the TLS engine speaks out of turn"},
    {"silent in the handshake", "RGs", NULL, "Connection timed out"},
    {"gone before G", "Rc", NULL, "the TLS engine is gone"},
};

/* --- the service --- */

static void say(int answers, char const *text, size_t length)
{
    struct iovec const piece = {.iov_base = (void *)text, .iov_len = length};
    if (!packet_send(answers, &piece, 1, NULL, 0))
        _exit(1);
}

static void say_answer(int answers, enum tls_answer_kind kind)
{
    struct tls_answer const answer = {
        .kind = kind, .version = "TLSv1.2", .suite = "SUITE", .verified = true, .reason = "no key"};
    char bytes[TLS_REQUEST_MAX];
    say(answers, bytes, tls_answer_format(bytes, &answer));
}

static void act(char step, int const *fds, struct tls_request const *request)
{
    int const plain = fds[2], answers = fds[3];
    char byte = 0;
    switch (step) {
    case 'R':
    case 'H':
    case 'F':
        say_answer(answers, (enum tls_answer_kind)step);
        return;
    case 'x':
        say(answers, "Rx", 2);
        return;
    case 'G':
        if (read(answers, &byte, 1) != 1 || byte != 'G')
            _exit(2);
        return;
    case 'e':
        if (strcmp(request->name, "mx.example") != 0 || request->seconds != 7 ||
            request->level != TLS_VERIFY || read(plain, &byte, 1) != 1)
            _exit(3);
        byte = (char)(byte - 32);
        if (write(plain, &byte, 1) != 1)
            _exit(4);
        return;
    case 's':
        if (read(answers, &byte, 1) > 0)
            _exit(5);
        return;
    default: /* 'c' */
        shutdown(answers, SHUT_RDWR);
        return;
    }
}

static _Noreturn void serve(int socket, char const *script)
{
    char bytes[TLS_REQUEST_MAX];
    int fds[TLS_REQUEST_DESCRIPTORS];
    unsigned int count = TLS_REQUEST_DESCRIPTORS;
    struct tls_request request;
    alarm(60);
    ssize_t const length = packet_receive(socket, bytes, sizeof bytes, fds, &count);
    if (length <= 0 || count != TLS_REQUEST_DESCRIPTORS ||
        !tls_request_parse(&request, bytes, (size_t)length))
        _exit(6);
    for (; *script; script++)
        act(*script, fds, &request);
    _exit(0);
}

/* --- the asker --- */

static unsigned int count_open(void)
{
    unsigned int open = 0;
    for (int descriptor = 0; descriptor < 64; descriptor++)
        open += fcntl(descriptor, F_GETFD) >= 0;
    return open;
}

static bool ask(struct remote_tls *tls, int service, int connection, int seconds, char *reason)
{
    struct tls_request const request = {
        .role = TLS_CLIENT, .seconds = 7, .level = TLS_VERIFY, .name = "mx.example"};
    tain deadline;
    tain_now_g();
    tain_addsec_g(&deadline, seconds);
    return remote_tls_ask(tls, service, &request, connection, &deadline, reason);
}

static void begin(struct scene const *scene, struct remote_tls *tls, int *connection, int seconds)
{
    char reason[TLS_REASON_MAX + 1], byte = 'a';
    tain deadline;
    int const before = *connection;
    tain_addsec_g(&deadline, seconds);
    bool const good = remote_tls_begin(tls, connection, &deadline, reason);
    assert_int_equal(good, scene->begun == NULL);
    assert_int_equal(good, tls->active);
    if (!good) {
        assert_string_equal(reason, scene->begun);
        assert_int_equal(*connection, -1);
        assert_int_equal(fcntl(before, F_GETFD), -1);
        return;
    }
    assert_int_equal(*connection, tls->link.plain);
    assert_true(fcntl(*connection, F_GETFL) & O_NONBLOCK);
    assert_string_equal(tls->handshake.suite, "SUITE");
    assert_true(tls->handshake.verified);
    assert_int_equal(ndelay_off(*connection), 0);
    assert_int_equal(write(*connection, &byte, 1), 1);
    assert_int_equal(read(*connection, &byte, 1), 1);
    assert_int_equal(byte, 'A');
    remote_tls_end(tls);
    assert_false(tls->active);
}

static void play(struct scene const *scene)
{
    int requests[2], connection[2];
    char reason[TLS_REASON_MAX + 1];
    struct remote_tls tls;
    unsigned int const open = count_open();
    int const seconds = strchr(scene->script, 's') ? 1 : 60;
    assert_true(packet_pair(requests));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, connection), 0);
    pid_t const pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(requests[0]);
        serve(requests[1], scene->script);
    }
    close(requests[1]);
    close(connection[1]);
    bool const asked = ask(&tls, requests[0], connection[0], seconds, reason);
    if (asked != (scene->asked == NULL))
        fail_msg("%s: asked %d", scene->name, asked);
    int status;
    if (asked && strcmp(scene->script, "Rc") == 0)
        assert_int_equal(waitpid(pid, &status, 0), pid); /* it is gone for sure */
    if (asked)
        begin(scene, &tls, connection, seconds);
    else {
        assert_string_equal(reason, scene->asked);
        assert_true(fcntl(connection[0], F_GETFD) >= 0);
        close(connection[0]);
    }
    close(requests[0]);
    assert_int_equal(count_open(), open);
    if (strcmp(scene->script, "Rc") != 0)
        assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0)
        fail_msg("%s: the service ended with %d", scene->name, status);
}

static void each_step_has_its_failure(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++)
        play(scenes + i);
}

static void there_is_no_service(void **state)
{
    int requests[2];
    char reason[TLS_REASON_MAX + 1];
    struct remote_tls tls;
    (void)state;
    assert_false(ask(&tls, -1, 0, 60, reason));
    assert_string_equal(reason, "there is no TLS service");
    assert_true(packet_pair(requests));
    close(requests[1]);
    assert_false(ask(&tls, requests[0], 0, 60, reason));
    assert_string_equal(reason, "the TLS service is gone (ekiden-tls)");
    close(requests[0]);
}

/* One that hangs reads nothing: its socket fills, and who asks then waits until the deadline. */
static void a_service_that_hangs_is_left(void **state)
{
    int requests[2], tries = 0;
    char reason[TLS_REASON_MAX + 1];
    struct remote_tls tls;
    unsigned int const open = count_open();
    (void)state;
    assert_true(packet_pair(requests));
    do
        assert_false(ask(&tls, requests[0], 0, 0, reason));
    while (strcmp(reason, "Connection timed out") == 0 && ++tries < 2000);
    assert_int_equal(tries, 2000);
    assert_false(ask(&tls, requests[0], 0, 1, reason));
    assert_string_equal(reason, "Connection timed out");
    close(requests[0]);
    close(requests[1]);
    assert_int_equal(count_open(), open);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(each_step_has_its_failure),
        cmocka_unit_test(there_is_no_service),
        cmocka_unit_test(a_service_that_hangs_is_left),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, 0, 0);
}
