/* queue/notes.h: what is noted is read again, whatever a crash has left in the file. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "queue/notes.h"

#define ID "0123456789abcdefghij"

static int queue;

static int make_queue(void **state)
{
    char path[] = "/tmp/ekiden-notes-XXXXXX";
    (void)state;
    if (!mkdtemp(path))
        return -1;
    queue = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return queue < 0 || mkdirat(queue, "notes", 0700) != 0;
}

static int remove_queue(void **state)
{
    char link[32], path[64] = "";
    (void)state;
    snprintf(link, sizeof link, "/proc/self/fd/%d", queue);
    notes_remove(queue, ID);
    unlinkat(queue, "notes", AT_REMOVEDIR);
    if (readlink(link, path, sizeof path - 1) > 0)
        rmdir(path);
    return close(queue);
}

static void put(char const *bytes, size_t length)
{
    int const file = openat(queue, "notes/" ID, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, bytes, length), length);
    close(file);
}

/* All lines as text, `F1:text F2:text W `. */
struct seen {
    char text[512];
    unsigned int lines, stop_after;
};

static bool see(void *context, enum notes_letter letter, uint32_t index, char const *text)
{
    struct seen *const seen = context;
    size_t const used = strlen(seen->text);
    snprintf(seen->text + used, sizeof seen->text - used, "%c%" PRIu32 ":%s ", (char)letter, index,
             text);
    return ++seen->lines != seen->stop_after;
}

static bool look(struct seen *seen)
{
    int const file = notes_open(queue, ID);
    assert_true(file >= 0);
    bool const read = notes_read(file, see, seen);
    close(file);
    return read;
}

static void assert_seen(char const *expected)
{
    struct seen seen = {.lines = 0};
    assert_true(look(&seen));
    assert_string_equal(seen.text, expected);
}

static void add(enum notes_letter letter, uint32_t index, char const *text)
{
    stralloc lines = STRALLOC_ZERO;
    assert_true(notes_format(&lines, letter, index, text));
    assert_true(notes_append(queue, ID, &lines));
    stralloc_free(&lines);
}

static void there_are_none(void **state)
{
    (void)state;
    notes_remove(queue, ID);
    assert_int_equal(notes_open(queue, ID), -1);
    assert_int_equal(errno, ENOENT);
}

static void what_is_noted_is_read(void **state)
{
    (void)state;
    struct stat status;
    notes_remove(queue, ID);
    add(NOTES_FAILED, 0, "5.1.1 no such \r\n\x7f user \xc3\xa9");
    add(NOTES_DELAYED, UINT32_MAX, "4.4.1 x");
    add(NOTES_WARNED, 7, "not written");
    add(NOTES_FAILED, 0, "5.2.0 the last counts");
    assert_seen("F0:5.1.1 no such ??? user \xc3\xa9 D4294967295:4.4.1 x W0: "
                "F0:5.2.0 the last counts ");
    assert_int_equal(fstatat(queue, "notes/" ID, &status, 0), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
}

static void a_reader_can_stop(void **state)
{
    struct seen seen = {.stop_after = 2};
    (void)state;
    notes_remove(queue, ID);
    for (uint32_t i = 0; i < 5; i++)
        add(NOTES_FAILED, i, "5 x");
    assert_false(look(&seen));
    assert_int_equal(seen.lines, 2);
}

/* A crash may cut an append anywhere: the next one is whole all the same. */
static void torn_lines_swallow_nothing(void **state)
{
    static char const line[] = "\nF 12 5.1.1 gone\nW\n";
    (void)state;
    for (size_t cut = 0; cut < sizeof line; cut++) {
        struct seen seen = {.lines = 0};
        notes_remove(queue, ID);
        put(line, cut);
        add(NOTES_FAILED, 3, "5.0.0 whole");
        assert_true(look(&seen));
        assert_non_null(strstr(seen.text, "F3:5.0.0 whole "));
        assert_null(strstr(seen.text, "F1:"));
    }
}

static void what_is_no_line_is_passed_over(void **state)
{
    static char const garbage[] = "\0\0\0\0\nF\nF \nF 1\nF 1 \nF x y\nF  y\nF 4294967296 y\nG 1 y\n"
                                  "F 99999999999999999999999 y\nWW\nW 1\n F 1 y\nF\t1 y\nF 1 a\0b\n"
                                  "F 1 a\x1b[m\nF -1 y\nF 2 good\nF 3 not ended";
    (void)state;
    notes_remove(queue, ID);
    put(garbage, sizeof garbage - 1);
    assert_seen("F2:good ");
}

static void long_lines_are_passed_over(void **state)
{
    static char line[NOTES_LINE_MAX * 20];
    (void)state;
    memset(line, 'x', sizeof line);
    for (size_t length = NOTES_LINE_MAX - 3; length < sizeof line; length += 501) {
        notes_remove(queue, ID);
        add(NOTES_FAILED, 1, "5 before");
        put("F 9 ", 4);
        put(line, length);
        add(NOTES_FAILED, 2, "5 behind");
        assert_seen("F1:5 before F2:5 behind ");
    }
}

static void a_long_text_is_cut(void **state)
{
    static char text[NOTES_LINE_MAX * 2];
    struct stat status;
    struct seen seen = {.lines = 0};
    (void)state;
    memset(text, 'x', sizeof text - 1);
    notes_remove(queue, ID);
    add(NOTES_FAILED, 4000000000, text);
    assert_int_equal(fstatat(queue, "notes/" ID, &status, 0), 0);
    assert_int_equal(status.st_size, 1 + NOTES_LINE_MAX);
    assert_true(look(&seen));
    assert_int_equal(seen.lines, 1);
}

static void it_follows_no_link(void **state)
{
    stralloc lines = STRALLOC_ZERO;
    (void)state;
    notes_remove(queue, ID);
    assert_int_equal(symlinkat("/dev/null", queue, "notes/" ID), 0);
    assert_true(notes_format(&lines, NOTES_WARNED, 0, ""));
    assert_false(notes_append(queue, ID, &lines));
    assert_int_equal(notes_open(queue, ID), -1);
    stralloc_free(&lines);
    notes_remove(queue, ID);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(there_are_none),
        cmocka_unit_test(what_is_noted_is_read),
        cmocka_unit_test(a_reader_can_stop),
        cmocka_unit_test(torn_lines_swallow_nothing),
        cmocka_unit_test(what_is_no_line_is_passed_over),
        cmocka_unit_test(long_lines_are_passed_over),
        cmocka_unit_test(a_long_text_is_cut),
        cmocka_unit_test(it_follows_no_link),
    };
    return cmocka_run_group_tests(tests, make_queue, remove_queue);
}
