/* deliver/worker.h: the worker as its scheduler sees it, in a process of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/djbunix.h>
#include <skalibs/tai.h>
#include <skalibs/unixmessage.h>

#include "deliver/worker.h"
#include "lib/checksum.h"

#define MESSAGE      "Subject: hello\n\nbody\n"
#define WAIT_SECONDS 60

struct fixture {
    char path[64];
    int root, message, socket;
    pid_t worker;
    unixmessage_sender sender;
    unixmessage_receiver receiver;
    char main_buffer[4096], descriptor_buffer[UNIXMESSAGE_AUXBUFSIZE];
};

static tain deadline(void)
{
    tain end;
    tain_now_g();
    tain_addsec_g(&end, WAIT_SECONDS);
    return end;
}

/* A log that nobody reads any more. */
static void break_log(void)
{
    int ends[2];
    if (pipe(ends) != 0 || dup2(ends[1], 2) < 0)
        _exit(99);
    close(ends[0]);
    close(ends[1]);
}

static int set_up_worker(void **state, bool with_log)
{
    struct fixture *const fixture = calloc(1, sizeof *fixture);
    int ends[2];
    snprintf(fixture->path, sizeof fixture->path, "/tmp/ekiden-unit-XXXXXX");
    if (!mkdtemp(fixture->path) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return -1;
    fixture->root = open(fixture->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fixture->message = open(fixture->path, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (write(fixture->message, MESSAGE, strlen(MESSAGE)) != (ssize_t)strlen(MESSAGE))
        return -1;
    fixture->worker = fork();
    if (fixture->worker == 0) {
        struct batch *const batch = malloc(sizeof *batch);
        struct rlimit const few = {.rlim_cur = 128, .rlim_max = 128}; /* a leak ends it soon */
        close(ends[0]);
        setrlimit(RLIMIT_NOFILE, &few);
        if (!with_log)
            break_log();
        batch_start(batch, fixture->root, "mx");
        int const code = worker_serve(ends[1], batch);
        batch_free(batch);
        free(batch);
        _exit(code);
    }
    close(ends[1]);
    fixture->socket = ends[0];
    ndelay_on(ends[0]);
    unixmessage_sender_init(&fixture->sender, ends[0]);
    unixmessage_receiver_init(&fixture->receiver, ends[0], fixture->main_buffer,
                              sizeof fixture->main_buffer, fixture->descriptor_buffer,
                              sizeof fixture->descriptor_buffer);
    *state = fixture;
    return fixture->worker < 0;
}

static int set_up(void **state)
{
    return set_up_worker(state, true);
}

static int set_up_without_log(void **state)
{
    return set_up_worker(state, false);
}

static void remove_tree(int parent, char const *name)
{
    int const folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *const stream = folder < 0 ? NULL : fdopendir(folder);
    struct dirent const *entry;
    while (stream && (entry = readdir(stream)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            unlinkat(folder, entry->d_name, 0) != 0)
            remove_tree(folder, entry->d_name);
    if (stream)
        closedir(stream);
    unlinkat(parent, name, AT_REMOVEDIR);
}

static int tear_down(void **state)
{
    struct fixture *const fixture = *state;
    if (fixture->socket >= 0)
        close(fixture->socket);
    if (fixture->worker > 0) {
        kill(fixture->worker, SIGKILL);
        waitpid(fixture->worker, NULL, 0);
    }
    unixmessage_sender_free(&fixture->sender);
    unixmessage_receiver_free(&fixture->receiver);
    close(fixture->root);
    close(fixture->message);
    remove_tree(AT_FDCWD, fixture->path);
    free(fixture);
    return 0;
}

static void put(struct fixture *fixture, char const *bytes, size_t length, int *descriptors,
                unsigned int count)
{
    char copy[4096];
    memcpy(copy, bytes, length);
    unixmessage const message = {.s = copy, .len = length, .fds = descriptors, .nfds = count};
    assert_true(unixmessage_put(&fixture->sender, &message));
}

static void put_job(struct fixture *fixture, uint64_t number)
{
    struct checksum sum;
    stralloc wire = STRALLOC_ZERO;
    checksum_start(&sum);
    checksum_add(&sum, MESSAGE, strlen(MESSAGE));
    struct job const job = {.number = number,
                            .kind = JOB_MAILBOX,
                            .extension = "",
                            .target = number % 2 ? "odd" : "even",
                            .recipient = "ann@example.org",
                            .sender = "bob@example.net",
                            .length = strlen(MESSAGE),
                            .sum = checksum_end(&sum)};
    assert_true(job_format(&wire, &job));
    put(fixture, wire.s, wire.len, &fixture->message, 1);
    stralloc_free(&wire);
}

static void flush(struct fixture *fixture)
{
    tain const end = deadline();
    assert_true(unixmessage_sender_timed_flush_g(&fixture->sender, &end));
}

static enum job_result next_answer(struct fixture *fixture, uint64_t number, char const *begins)
{
    unixmessage message;
    struct job_answer answer;
    tain const end = deadline();
    assert_int_equal(unixmessage_timed_receive_g(&fixture->receiver, &message, &end), 1);
    assert_int_equal(message.nfds, 0);
    assert_true(job_answer_parse(&answer, message.s, message.len));
    assert_int_equal(answer.number, number);
    assert_memory_equal(answer.text, begins, strlen(begins));
    return answer.result;
}

static void expect_exit(struct fixture *fixture, int code)
{
    int status;
    assert_int_equal(waitpid(fixture->worker, &status, 0), fixture->worker);
    fixture->worker = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
        fail_msg("wait status 0x%x", status);
}

static size_t files_in(struct fixture const *fixture, char const *path)
{
    int const folder = openat(fixture->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *const stream = fdopendir(folder);
    struct dirent const *entry;
    size_t count = 0;
    assert_non_null(stream);
    while ((entry = readdir(stream)))
        count += entry->d_name[0] != '.';
    closedir(stream);
    return count;
}

static void many_jobs_are_answered_in_order(void **state)
{
    struct fixture *const fixture = *state;
    for (uint64_t number = 1; number <= 300; number++)
        put_job(fixture, number);
    flush(fixture);
    for (uint64_t number = 1; number <= 300; number++)
        assert_int_equal(next_answer(fixture, number, "2.0.0"), JOB_DELIVERED);
    assert_int_equal(files_in(fixture, "odd/Maildir/new"), 150);
    assert_int_equal(files_in(fixture, "even/Maildir/new"), 150);
    close(fixture->socket);
    fixture->socket = -1;
    expect_exit(fixture, 0);
}

/* The scheduler sends and goes: what was sent is delivered. */
static void the_last_batch_is_finished_when_the_scheduler_leaves(void **state)
{
    struct fixture *const fixture = *state;
    kill(fixture->worker, SIGSTOP);
    for (uint64_t number = 1; number <= 20; number++)
        put_job(fixture, number);
    flush(fixture);
    assert_int_equal(shutdown(fixture->socket, SHUT_WR), 0);
    kill(fixture->worker, SIGCONT);
    for (uint64_t number = 1; number <= 20; number++)
        assert_int_equal(next_answer(fixture, number, "2.0.0"), JOB_DELIVERED);
    expect_exit(fixture, 0);
}

static void the_scheduler_may_be_gone_before_its_answer(void **state)
{
    struct fixture *const fixture = *state;
    kill(fixture->worker, SIGSTOP);
    put_job(fixture, 1);
    flush(fixture);
    close(fixture->socket);
    fixture->socket = -1;
    kill(fixture->worker, SIGCONT);
    expect_exit(fixture, 0);
    assert_int_equal(files_in(fixture, "odd/Maildir/new"), 1);
}

static void sigterm_ends_it_with_exit_0(void **state)
{
    struct fixture *const fixture = *state;
    put_job(fixture, 1);
    flush(fixture);
    assert_int_equal(next_answer(fixture, 1, "2.0.0"), JOB_DELIVERED);
    kill(fixture->worker, SIGTERM);
    expect_exit(fixture, 0);
}

/* Two hundred jobs, and SIGTERM after the first answer: every file in new/ was answered. */
static void sigterm_answers_the_batch_first(void **state)
{
    struct fixture *const fixture = *state;
    uint64_t answered = 1;
    unixmessage message;
    for (uint64_t number = 1; number <= 200; number++)
        put_job(fixture, number);
    flush(fixture);
    assert_int_equal(next_answer(fixture, 1, "2.0.0"), JOB_DELIVERED);
    kill(fixture->worker, SIGTERM);
    expect_exit(fixture, 0);
    int received;
    while ((received = unixmessage_receive(&fixture->receiver, &message)) > 0)
        answered++;
    assert_int_equal(received, -1);
    assert_int_equal(files_in(fixture, "odd/Maildir/new") + files_in(fixture, "even/Maildir/new"),
                     answered);
    assert_int_equal(files_in(fixture, "odd/Maildir/tmp"), 0);
}

static void malformed_jobs_with_a_number_are_answered(void **state)
{
    static char const job[] = "1001\0m\0odd\0\0r\0s\0"
                              "0\0"
                              "0\0"
                              "0000000000000000\0";
    struct fixture *const fixture = *state;
    int two[2] = {fixture->message, fixture->message};
    put(fixture, "1000\0nothing else", 18, two, 1);
    put_job(fixture, 1);
    put(fixture, job, sizeof job, NULL, 0);
    put(fixture, job, sizeof job, two, 2);
    put_job(fixture, 2);
    flush(fixture);
    assert_int_equal(next_answer(fixture, 1000, "4.3.5 the delivery job is"), JOB_DEFERRED);
    assert_int_equal(next_answer(fixture, 1, "2.0.0"), JOB_DELIVERED);
    assert_int_equal(next_answer(fixture, 1001, "4.3.5 the delivery job came"), JOB_DEFERRED);
    assert_int_equal(next_answer(fixture, 1001, "4.3.5 the delivery job came"), JOB_DEFERRED);
    assert_int_equal(next_answer(fixture, 2, "2.0.0"), JOB_DELIVERED);
}

static void what_is_no_job_ends_it(void **state)
{
    struct fixture *const fixture = *state;
    put_job(fixture, 1);
    put(fixture, "garbage", 7, NULL, 0);
    flush(fixture);
    assert_int_equal(next_answer(fixture, 1, "2.0.0"), JOB_DELIVERED);
    expect_exit(fixture, 111);
}

static void it_delivers_without_a_log(void **state)
{
    struct fixture *const fixture = *state;
    for (uint64_t number = 1; number <= 3; number++) {
        put_job(fixture, number);
        flush(fixture);
        assert_int_equal(next_answer(fixture, number, "2.0.0"), JOB_DELIVERED);
    }
    close(fixture->socket);
    fixture->socket = -1;
    expect_exit(fixture, 0);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(many_jobs_are_answered_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_last_batch_is_finished_when_the_scheduler_leaves,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_scheduler_may_be_gone_before_its_answer, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(sigterm_ends_it_with_exit_0, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sigterm_answers_the_batch_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(malformed_jobs_with_a_number_are_answered, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_job_ends_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_delivers_without_a_log, set_up_without_log, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
