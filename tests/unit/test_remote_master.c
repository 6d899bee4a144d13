/* deliver/remote_master.h: the bound on all of a delivery, which no server of a test could wait
 * for: here it is a second for messages that are short (the Makefile wraps
 * remote_delivery_seconds). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/djbunix.h>
#include <skalibs/unixmessage.h>

#include "control_folder.h"
#include "deliver/job.h"
#include "deliver/remote_job.h"
#include "deliver/remote_master.h"
#include "lib/checksum.h"

#define SHORT 8 /* bytes */

unsigned int __wrap_remote_delivery_seconds(struct remote_settings const *settings,
                                            uint64_t length);

unsigned int __wrap_remote_delivery_seconds(struct remote_settings const *settings, uint64_t length)
{
    (void)settings;
    return length <= SHORT ? 1 : 60;
}

struct fixture {
    struct folder *folder;
    int link; /* the scheduler's end */
    unixmessage_sender sender;
    pid_t master;
    int listener;
    uint16_t port;
};

static void start(struct fixture *fixture, struct folder *folder)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int ends[2];
    folder_write(folder, "me", "us.test\n");
    fixture->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fixture->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fixture->listener, 8), 0);
    assert_int_equal(getsockname(fixture->listener, (struct sockaddr *)&address, &size), 0);
    fixture->port = ntohs(address.sin_port);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    fixture->link = ends[0];
    fixture->master = fork();
    assert_true(fixture->master >= 0);
    if (fixture->master == 0) {
        close(ends[0]);
        close(fixture->listener);
        alarm(120);
        _exit(remote_master_serve(ends[1], -1, &folder->control));
    }
    close(ends[1]);
    unixmessage_sender_init(&fixture->sender, fixture->link);
}

static void stop(struct fixture *fixture)
{
    int status;
    unixmessage_sender_free(&fixture->sender);
    close(fixture->link);
    close(fixture->listener);
    assert_int_equal(waitpid(fixture->master, &status, 0), fixture->master);
    assert_int_equal(status, 0);
}

static void give(struct fixture *fixture, uint64_t number, char const *message)
{
    struct remote_job job = {.route = {.count = 1, .hosts = {{.name = "127.0.0.1"}}},
                             .sender = "s@x.test",
                             .length = strlen(message),
                             .count = 1,
                             .recipients = {{.number = number, .address = "r@y.test"}}};
    struct checksum sum;
    stralloc bytes = STRALLOC_ZERO;
    int descriptor = memfd_create("message", MFD_CLOEXEC);
    assert_int_equal(write(descriptor, message, strlen(message)), strlen(message));
    checksum_start(&sum);
    checksum_add(&sum, message, strlen(message));
    job.sum = checksum_end(&sum);
    job.route.hosts[0].port = fixture->port;
    assert_true(remote_job_format(&bytes, &job));
    unixmessage const packet = {.s = bytes.s, .len = bytes.len, .fds = &descriptor, .nfds = 1};
    assert_true(unixmessage_put(&fixture->sender, &packet));
    assert_true(unixmessage_sender_flush(&fixture->sender));
    stralloc_free(&bytes);
    close(descriptor);
}

static void read_all(int descriptor, char *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t const got = read(descriptor, bytes + done, length - done);
        assert_true(got > 0);
        done += (size_t)got;
    }
}

/* Awaits the one answer that is due, which begins as START. */
static void expect_answer(struct fixture *fixture, char const *start)
{
    unsigned char head[6];
    char bytes[JOB_TEXT_MAX + 64];
    struct job_answer answer;
    read_all(fixture->link, (char *)head, sizeof head);
    size_t const length = (size_t)head[2] << 8 | head[3];
    assert_true(head[0] == 0 && head[1] == 0 && length < sizeof bytes);
    read_all(fixture->link, bytes, length);
    assert_true(job_answer_parse(&answer, bytes, length));
    char said[JOB_TEXT_MAX + 64];
    snprintf(said, sizeof said, "%llu %c %s", (unsigned long long)answer.number,
             (char)answer.result, answer.text);
    if (strncmp(said, start, strlen(start)) != 0)
        fail_msg("%s, expected %s", said, start);
}

/* Says TEXT, then reads to the LINES-th LF. */
static void talk(int connection, char const *text, unsigned int lines)
{
    char byte;
    assert_int_equal(write(connection, text, strlen(text)), strlen(text));
    while (lines) {
        assert_int_equal(read(connection, &byte, 1), 1);
        lines -= byte == '\n';
    }
}

static void a_delivery_that_takes_too_long_is_given_up(void **state)
{
    struct fixture fixture;
    char byte;
    start(&fixture, *state);
    give(&fixture, 7, "A: b\n");
    int const connection = accept(fixture.listener, NULL, NULL);
    expect_answer(&fixture, "7 Z 4.4.7 the delivery took too long and was given up");
    assert_int_equal(read(connection, &byte, 1), 0); /* its process is gone */
    close(connection);
    stop(&fixture);
}

static void each_message_of_a_connection_has_its_own_time(void **state)
{
    struct fixture fixture;
    char byte;
    start(&fixture, *state);
    give(&fixture, 1, "A: longer\n");
    int const connection = accept(fixture.listener, NULL, NULL);
    talk(connection, "220 hi\r\n", 1);
    for (unsigned int i = 0; i < 3; i++)
        talk(connection, "250 ok\r\n", 1); /* EHLO, MAIL, RCPT: it has heard the one behind */
    talk(connection, "354 go\r\n", 2);
    talk(connection, "250 ok\r\n", 0);
    expect_answer(&fixture, "1 K 2.0.0 ");
    assert_int_equal(ndelay_on(fixture.listener), 0);
    give(&fixture, 2, "A: b\n");
    expect_answer(&fixture, "2 Z 4.4.7 ");
    while (read(connection, &byte, 1) > 0)
        ;
    assert_int_equal(accept(fixture.listener, NULL, NULL), -1); /* there was no other */
    close(connection);
    stop(&fixture);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(a_delivery_that_takes_too_long_is_given_up, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(each_message_of_a_connection_has_its_own_time, folder_make,
                                        folder_remove),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
