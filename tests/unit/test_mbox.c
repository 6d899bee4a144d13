/* deliver/mbox.h and mbox_quote.h: what stands in the file, whatever happens on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "deliver/mbox.h"
#include "deliver/mbox_quote.h"
#include "lib/checksum.h"

#define FROM_LINE "From ann@far.test Thu Jan  1 00:00:00 1970\n"
#define TRACE     "Return-Path: <ann@far.test>\nDelivered-To: bob@local.test\n"

/* Quotes INPUT in pieces of PIECE bytes. */
static size_t quote(char const *input, size_t length, size_t piece, char *out)
{
    struct mbox_quote state;
    size_t used = 0;
    mbox_quote_start(&state);
    for (size_t done = 0; done < length;) {
        size_t const taken = piece < length - done ? piece : length - done;
        char *const in = malloc(taken), *const part = malloc(mbox_quote_room(taken));
        assert_true(in && part);
        memcpy(in, input + done, taken);
        size_t const passed = mbox_quote_pass(&state, in, taken, part);
        assert_true(passed <= mbox_quote_room(taken));
        memcpy(out + used, part, passed);
        used += passed;
        done += taken;
        free(in);
        free(part);
    }
    return used + mbox_quote_end(&state, out + used);
}

static void from_lines_are_quoted(void **state)
{
    static char const *const examples[][2] = {
        {"", "\n"},
        {"a\n", "a\n\n"},
        {"a", "a\n\n"},
        {"From x\n", ">From x\n\n"},
        {">From x\n>>From x\n", ">>From x\n>>>From x\n\n"},
        {"From\n From \nFrom: x\nfrom x\n", "From\n From \nFrom: x\nfrom x\n\n"},
        {"a\nFrom ", "a\n>From \n\n"},
        {"a\nFrom", "a\nFrom\n\n"},
        {"> From x\n>a>From x\n", "> From x\n>a>From x\n\n"},
        {"\n\nFrom From From \nFrFrom \n", "\n\n>From From From \nFrFrom \n\n"},
        {">>>>", ">>>>\n\n"},
        {"F\nFr\nFrom F\n", "F\nFr\n>From F\n\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        for (size_t piece = 1; piece < 12; piece++) {
            char out[200];
            size_t const length = quote(examples[i][0], strlen(examples[i][0]), piece, out);
            if (length != strlen(examples[i][1]) || memcmp(out, examples[i][1], length) != 0)
                fail_msg("example %zu in pieces of %zu: `%.*s`", i, piece, (int)length, out);
        }
}

/* Line by line, as one would write it with the whole message at hand. */
static size_t model(char const *input, size_t length, char *out)
{
    size_t used = 0;
    for (size_t at = 0; at < length;) {
        char const *const newline = memchr(input + at, '\n', length - at);
        size_t const end = newline ? (size_t)(newline - input) : length;
        size_t start = at;
        while (start < end && input[start] == '>')
            start++;
        if (end - start >= 5 && !memcmp(input + start, "From ", 5))
            out[used++] = '>';
        memcpy(out + used, input + at, end - at);
        used += end - at;
        out[used++] = '\n';
        at = end + 1;
    }
    out[used++] = '\n';
    return used;
}

static void quoting_agrees_with_a_model(void **state)
{
    static char const *const words[] = {"From ", "From", " ", "\n", ">", ">>", "x", "\n>From "};
    unsigned int seed = 5;
    (void)state;
    for (int round = 0; round < 20000; round++) {
        char input[120] = "", out[260], expected[260];
        int const count = rand_r(&seed) % 12;
        for (int i = 0; i < count; i++)
            strcat(input, words[(size_t)rand_r(&seed) % (sizeof words / sizeof *words)]);
        size_t const piece = 1 + (size_t)rand_r(&seed) % 20;
        size_t const length = quote(input, strlen(input), piece, out);
        assert_int_equal(length, model(input, strlen(input), expected));
        if (memcmp(out, expected, length) != 0)
            fail_msg("input `%s`: `%.*s`", input, (int)length, out);
    }
}

struct fixture {
    char path[64];
    int message;
    struct job job;
    struct message_copy copy;
    struct failure failure;
    uint64_t written;
};

static void set_message(struct fixture *fixture, char const *bytes, size_t length)
{
    struct checksum sum;
    checksum_start(&sum);
    checksum_add(&sum, bytes, length);
    assert_int_equal(ftruncate(fixture->message, 0), 0);
    assert_int_equal(pwrite(fixture->message, bytes, length, 0), length);
    fixture->job = (struct job){.number = 1,
                                .kind = JOB_SYSTEM,
                                .target = "bob",
                                .extension = "",
                                .recipient = "bob@local.test",
                                .sender = "ann@far.test",
                                .length = length,
                                .sum = checksum_end(&sum)};
}

static int set_up(void **state)
{
    struct fixture *const fixture = calloc(1, sizeof *fixture);
    snprintf(fixture->path, sizeof fixture->path, "/tmp/ekiden-unit-XXXXXX");
    if (!mkdtemp(fixture->path) || chdir(fixture->path) != 0)
        return -1;
    fixture->message = open(".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    set_message(fixture, "Subject: x\n\nFrom me\n", 20);
    umask(077);
    signal(SIGXFSZ, SIG_IGN);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *const fixture = *state;
    close(fixture->message);
    unlink("mbox");
    unlink("other");
    stralloc_free(&fixture->copy.trace);
    if (chdir("/") != 0)
        return -1;
    rmdir(fixture->path);
    free(fixture);
    return 0;
}

static bool append(struct fixture *fixture)
{
    failure_clear(&fixture->failure);
    return mbox_append("./mbox", FROM_LINE, &fixture->copy, &fixture->job, fixture->message,
                       &fixture->written, &fixture->failure);
}

static void write_file(char const *name, char const *content)
{
    int const file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(file, content, strlen(content)), strlen(content));
    close(file);
}

static void expect_file(char const *content)
{
    static char seen[1 << 16];
    int const file = open("mbox", O_RDONLY);
    assert_true(file >= 0);
    ssize_t const length = read(file, seen, sizeof seen - 1);
    assert_true(length >= 0);
    seen[length] = 0;
    close(file);
    assert_string_equal(seen, content);
}

#define MESSAGE FROM_LINE TRACE "Subject: x\n\n>From me\n\n"

static void messages_are_appended(void **state)
{
    struct fixture *const fixture = *state;
    struct stat status;
    assert_true(append(fixture));
    expect_file(MESSAGE);
    assert_int_equal(stat("mbox", &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_true(append(fixture));
    expect_file(MESSAGE MESSAGE);
}

/* What a crash or another program left there does not swallow our first line. */
static void a_message_begins_on_its_own_line(void **state)
{
    struct fixture *const fixture = *state;
    write_file("mbox", "From x\n\ntorn");
    assert_true(append(fixture));
    expect_file("From x\n\ntorn\n\n" MESSAGE);
    write_file("mbox", "From x\n\nwhole\n");
    assert_true(append(fixture));
    expect_file("From x\n\nwhole\n\n" MESSAGE);
    write_file("mbox", "\n");
    assert_true(append(fixture));
    expect_file("\n" MESSAGE);
}

/* K13 */
static void a_failure_restores_the_length(void **state)
{
    struct fixture *const fixture = *state;
    struct rlimit old, few;
    static char large[300000];
    memset(large, 'x', sizeof large);
    write_file("mbox", "before\n\n");
    set_message(fixture, large, sizeof large);
    getrlimit(RLIMIT_FSIZE, &old);
    few = old;
    few.rlim_cur = 100000;
    setrlimit(RLIMIT_FSIZE, &few);
    bool const appended = append(fixture);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_false(appended);
    assert_int_equal(fixture->failure.result, JOB_DEFERRED);
    expect_file("before\n\n");
    fixture->job.sum++;
    assert_false(append(fixture));
    assert_int_equal(fixture->failure.result, JOB_CORRUPT);
    expect_file("before\n\n");
    set_message(fixture, "Delivered-To: bob@local.test\n\n", 30);
    assert_false(append(fixture));
    assert_int_equal(fixture->failure.result, JOB_FAILED);
    expect_file("before\n\n");
}

static void only_regular_files(void **state)
{
    struct fixture *const fixture = *state;
    assert_int_equal(mkfifo("mbox", 0600), 0);
    assert_false(append(fixture));
    assert_int_equal(fixture->failure.result, JOB_DEFERRED);
    unlink("mbox");
    assert_int_equal(symlink("/dev/null", "mbox"), 0);
    assert_false(append(fixture));
    assert_int_equal(fixture->failure.result, JOB_DEFERRED);
    unlink("mbox");
    assert_int_equal(symlink("other", "mbox"), 0); /* his own file */
    assert_true(append(fixture));
    expect_file(MESSAGE);
}

/* Another program holds a lock, says so through the pipe, and lets go when it is told to. */
static pid_t hold(int (*lock)(int), int said[2], int told[2])
{
    char byte = 0;
    if (pipe(said) != 0 || pipe(told) != 0)
        return -1;
    pid_t const pid = fork();
    if (pid == 0) {
        int const file = open("mbox", O_RDWR);
        if (lock(file) != 0 || write(said[1], &byte, 1) != 1)
            _exit(1);
        close(told[1]);
        if (read(told[0], &byte, 1) != 1)
            _exit(2);
        /* The file is replaced under the lock, as some mail readers do it. */
        write_file("other", "fresh\n\n");
        _exit(rename("other", "mbox") == 0 ? 0 : 3);
    }
    if (read(said[0], &byte, 1) != 1)
        return -1;
    return pid;
}

static int lock_by_flock(int file)
{
    return flock(file, LOCK_EX);
}

static int lock_by_fcntl(int file)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(file, F_SETLK, &whole);
}

static void locks_are_waited_for(void **state)
{
    struct fixture *const fixture = *state;
    int (*const locks[])(int) = {lock_by_flock, lock_by_fcntl};
    for (size_t i = 0; i < sizeof locks / sizeof *locks; i++) {
        int said[2], told[2], status;
        write_file("mbox", "old\n\n");
        pid_t const pid = hold(locks[i], said, told);
        assert_true(pid > 0);
        pid_t const writer = fork();
        if (writer == 0)
            _exit(append(fixture) ? 0 : 1);
        /* While the other holds the lock nothing is written. */
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        expect_file("old\n\n");
        assert_int_equal(write(told[1], "", 1), 1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(waitpid(writer, &status, 0), writer);
        assert_int_equal(status, 0);
        expect_file("fresh\n\n" MESSAGE); /* in the file that has the name now */
        for (int end = 0; end < 2; end++) {
            close(said[end]);
            close(told[end]);
        }
    }
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(from_lines_are_quoted),
        cmocka_unit_test(quoting_agrees_with_a_model),
        cmocka_unit_test_setup_teardown(messages_are_appended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_message_begins_on_its_own_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failure_restores_the_length, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_regular_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(locks_are_waited_for, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
