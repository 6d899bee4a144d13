#include "control_folder.h"

/* Entries as "NUMBER:ENTRY|", one after the other. */
static bool collect(void *context, char const *line, size_t length, unsigned int number,
                    struct control_error *error)
{
    stralloc *seen = context;
    char head[16];
    (void)error;
    int size = snprintf(head, sizeof head, "%u:", number);
    return stralloc_catb(seen, head, (size_t)size) && stralloc_catb(seen, line, length) &&
           stralloc_catb(seen, "|", 1);
}

static enum control_result read_all(struct folder *folder, stralloc *seen)
{
    seen->len = 0;
    return control_lines(&folder->control, "file", collect, seen, &folder->error);
}

static void assert_seen(struct folder *folder, char const *bytes, size_t length,
                        char const *expected)
{
    stralloc seen = STRALLOC_ZERO;
    folder_write_bytes(folder, "file", bytes, length);
    assert_int_equal(read_all(folder, &seen), CONTROL_OK);
    assert_true(stralloc_0(&seen));
    assert_string_equal(seen.s, expected);
    stralloc_free(&seen);
}

static void test_entries_comments_and_blanks(void **state)
{
    static char const text[] = "one\n\n# two\n  three \t\n\t# four\n \nfive # six";
    assert_seen(*state, text, sizeof text - 1, "1:one|4:three|7:five # six|");
    assert_seen(*state, "", 0, "");
    assert_seen(*state, "\n\n", 2, "");
    assert_seen(*state, "x", 1, "1:x|");
}

static void assert_refused(struct folder *folder, char const *bytes, size_t length,
                           char const *start, char const *part)
{
    stralloc seen = STRALLOC_ZERO;
    folder_write_bytes(folder, "file", bytes, length);
    assert_int_equal(read_all(folder, &seen), CONTROL_ERROR);
    folder_assert_error_part(folder, start, part);
    stralloc_free(&seen);
}

static void test_line_ends_and_nul_are_refused(void **state)
{
    assert_refused(*state, "a\nb\r\n", 5, "file:2: expected ", "`b\\x0d`: these end with CR LF");
    assert_refused(*state, "# a\r\n", 5, "file:1: expected ", "CR LF");
    assert_refused(*state, "a\nb\0c\n", 6, "file:2: expected ", "NUL");
}

static void test_line_length(void **state)
{
    char text[CONTROL_LINE_MAX + 4];
    stralloc seen = STRALLOC_ZERO;
    memset(text, 'x', sizeof text);
    text[0] = '\n';
    text[CONTROL_LINE_MAX + 1] = '\n';
    folder_write_bytes(*state, "file", text, CONTROL_LINE_MAX + 2);
    assert_int_equal(read_all(*state, &seen), CONTROL_OK);
    assert_int_equal(seen.len, CONTROL_LINE_MAX + 3);
    folder_write_bytes(*state, "file", text, CONTROL_LINE_MAX + 1);
    assert_int_equal(read_all(*state, &seen), CONTROL_OK);
    stralloc_free(&seen);
    text[CONTROL_LINE_MAX + 1] = 'x';
    assert_refused(*state, text, CONTROL_LINE_MAX + 2, "file:2: expected ", "4096 bytes");
    text[CONTROL_LINE_MAX + 2] = '\n';
    assert_refused(*state, text, CONTROL_LINE_MAX + 3, "file:2: expected ", "4096 bytes");
}

/* Lines of all lengths, so that each falls across the end of a read somewhere. */
static void test_long_file(void **state)
{
    stralloc text = STRALLOC_ZERO, expected = STRALLOC_ZERO, seen = STRALLOC_ZERO;
    char line[CONTROL_LINE_MAX], head[16];
    memset(line, 'y', sizeof line);
    for (unsigned int i = 1; i < 1500; i++) {
        int size = snprintf(head, sizeof head, "%u:", i);
        assert_true(stralloc_catb(&text, line, i) && stralloc_catb(&text, "\n", 1));
        assert_true(stralloc_catb(&expected, head, (size_t)size) &&
                    stralloc_catb(&expected, line, i) && stralloc_catb(&expected, "|", 1));
    }
    folder_write_bytes(*state, "file", text.s, text.len);
    assert_int_equal(read_all(*state, &seen), CONTROL_OK);
    assert_int_equal(seen.len, expected.len);
    assert_memory_equal(seen.s, expected.s, seen.len);
    stralloc_free(&text);
    stralloc_free(&expected);
    stralloc_free(&seen);
}

static void test_what_is_no_file(void **state)
{
    struct folder *folder = *state;
    stralloc seen = STRALLOC_ZERO;
    assert_int_equal(read_all(folder, &seen), CONTROL_ABSENT);
    assert_int_equal(mkdirat(folder->control.directory, "file", 0755), 0);
    assert_int_equal(read_all(folder, &seen), CONTROL_ERROR);
    folder_assert_error(folder, "file: expected a regular file");
    assert_int_equal(unlinkat(folder->control.directory, "file", AT_REMOVEDIR), 0);
    /* Nobody writes to it: a blocking open would wait for ever. */
    assert_int_equal(mkfifoat(folder->control.directory, "file", 0644), 0);
    assert_int_equal(read_all(folder, &seen), CONTROL_ERROR);
    folder_assert_error(folder, "file: expected a regular file");
    assert_int_equal(unlinkat(folder->control.directory, "file", 0), 0);
    assert_int_equal(symlinkat("file", folder->control.directory, "file"), 0);
    assert_int_equal(read_all(folder, &seen), CONTROL_ERROR);
    stralloc_free(&seen);
}

static void test_too_large(void **state)
{
    struct folder *folder = *state;
    stralloc seen = STRALLOC_ZERO;
    folder_write(folder, "file", "x\n");
    int descriptor = openat(folder->control.directory, "file", O_WRONLY | O_CLOEXEC);
    /* Sparse: no disk is filled. The size is looked at before a byte is read. */
    assert_int_equal(ftruncate(descriptor, (off_t)CONTROL_FILE_MAX + 1), 0);
    close(descriptor);
    assert_int_equal(read_all(folder, &seen), CONTROL_ERROR);
    folder_assert_error(folder, "file: expected a file of at most 256 MiB");
    stralloc_free(&seen);
}

static void test_open(void **state)
{
    struct folder *folder = *state;
    struct control control;
    assert_int_equal(control_open(&control, "/nonexistent", &folder->error), CONTROL_ERROR);
    assert_non_null(strstr(folder->error.text, "/nonexistent: expected a folder"));
    folder_write(folder, "file", "x\n");
    char path[80];
    snprintf(path, sizeof path, "%s/file", folder->path);
    assert_int_equal(control_open(&control, path, &folder->error), CONTROL_ERROR);
}

/* NUMBER:PATH, and only where a number stands: a path may have colons. */
static void test_open_inherited(void **state)
{
    struct folder *folder = *state;
    struct control control;
    char text[32];
    int const descriptor = dup(folder->control.directory);
    snprintf(text, sizeof text, "%d:/no/where", descriptor);
    assert_int_equal(control_open(&control, text, &folder->error), CONTROL_OK);
    assert_int_equal(control.directory, descriptor);
    assert_string_equal(control.path, "/no/where");
    assert_int_equal(fcntl(descriptor, F_GETFD), FD_CLOEXEC);
    control_close(&control);
    assert_int_equal(control_open(&control, text, &folder->error), CONTROL_ERROR);
    assert_non_null(strstr(folder->error.text, "/no/where: expected a folder"));
    assert_int_equal(control_open(&control, "x:/", &folder->error), CONTROL_ERROR);
    assert_int_equal(control_open(&control, ":/", &folder->error), CONTROL_ERROR);
}

static bool is_word(char const *text, size_t length)
{
    return !memchr(text, ' ', length);
}

static void test_first(void **state)
{
    struct folder *folder = *state;
    stralloc value = STRALLOC_ZERO;
    assert_int_equal(
        control_first(&folder->control, "file", &value, is_word, "a word", &folder->error),
        CONTROL_ABSENT);
    folder_write(folder, "file", "# nothing\n\n");
    assert_int_equal(
        control_first(&folder->control, "file", &value, is_word, "a word", &folder->error),
        CONTROL_ABSENT);
    folder_write(folder, "file", "# a\n first \nsecond\n");
    assert_int_equal(
        control_first(&folder->control, "file", &value, is_word, "a word", &folder->error),
        CONTROL_OK);
    assert_int_equal(value.len, 5);
    assert_memory_equal(value.s, "first", 5);
    stralloc_free(&value);
}

static void test_first_checked(void **state)
{
    struct folder *folder = *state;
    stralloc value = STRALLOC_ZERO;
    folder_write(folder, "file", "word\n");
    assert_int_equal(
        control_first(&folder->control, "file", &value, is_word, "a word", &folder->error),
        CONTROL_OK);
    folder_write(folder, "file", "\ntwo words\n");
    assert_int_equal(
        control_first(&folder->control, "file", &value, is_word, "a word", &folder->error),
        CONTROL_ERROR);
    folder_assert_error(folder, "file:2: expected a word, got `two words`");
    stralloc_free(&value);
}

static void assert_number(struct folder *folder, char const *text, enum control_result expected,
                          uint64_t value)
{
    uint64_t number = 7;
    folder_write(folder, "file", text);
    assert_int_equal(
        control_number(&folder->control, "file", &number, 5, UINT64_MAX - 1, &folder->error),
        expected);
    assert_true(number == (expected == CONTROL_OK ? value : 7));
}

static void test_number(void **state)
{
    static char const *const bad[] = {"4",
                                      "-5",
                                      "+5",
                                      "5.0",
                                      "0x10",
                                      "5 6",
                                      "5k",
                                      "1e9",
                                      "five",
                                      "18446744073709551615",
                                      "18446744073709551616",
                                      "99999999999999999999999999999999"};
    uint64_t number = 7;
    struct folder *folder = *state;
    assert_int_equal(control_number(&folder->control, "file", &number, 5, 9, &folder->error),
                     CONTROL_ABSENT);
    assert_true(number == 7);
    assert_number(folder, "5\n", CONTROL_OK, 5);
    assert_number(folder, "# limit\n0018 \n", CONTROL_OK, 18);
    assert_number(folder, "18446744073709551614", CONTROL_OK, UINT64_MAX - 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_number(folder, bad[i], CONTROL_ERROR, 0);
    folder_write(folder, "file", "\n10 \n");
    assert_int_equal(control_number(&folder->control, "file", &number, 5, 9, &folder->error),
                     CONTROL_ERROR);
    folder_assert_error(folder, "file:2: expected a number from 5 to 9, got `10`");
}

/* What a control file holds must not write to the operator's terminal, nor overflow. */
static void test_messages_are_escaped_and_cut(void **state)
{
    struct folder *folder = *state;
    char line[4096];
    assert_false(control_fail(&folder->error, "x", "\033[2J`\\\377", 7));
    assert_string_equal(folder->error.text, "expected x, got `\\x1b[2J\\x60\\x5c\\xff`");
    assert_false(control_fail(&folder->error, "x", "a # b", 5));
    assert_string_equal(folder->error.text,
                        "expected x, got `a # b`: a comment needs a line of its own");
    memset(line, '\1', sizeof line);
    assert_false(control_fail_hint(&folder->error, "x", line, sizeof line, "why"));
    assert_true(strlen(folder->error.text) < 300);
    assert_non_null(strstr(folder->error.text, "...`: why"));
    memset(line, 'p', sizeof line);
    line[sizeof line - 1] = 0;
    struct control far = {.directory = -1, .path = line};
    assert_int_equal(control_problem(&far, "file", &folder->error, line), CONTROL_ERROR);
    assert_int_equal(strlen(folder->error.text), CONTROL_ERROR_MAX - 1);
    assert_non_null(strstr(folder->error.text, "p/file: ppp"));
}

static bool refuse_bad(void *context, char const *line, size_t length, unsigned int number,
                       struct control_error *error)
{
    stralloc *const seen = context;
    char text[16];
    if (length >= 3 && !memcmp(line, "bad", 3))
        return control_fail(error, "no bad line", line, length);
    snprintf(text, sizeof text, "%u:%.3s ", number, line);
    return stralloc_cats(seen, text);
}

static unsigned int problems;

static void count_problem(char const *text)
{
    assert_non_null(strstr(text, "expected"));
    problems++;
}

/* What is wrong is as if it were not there, and nothing else. */
static void test_forgiving(void **state)
{
    struct folder *folder = *state;
    struct control *const control = &folder->control;
    stralloc seen = STRALLOC_ZERO;
    uint64_t value = 7;
    char long_line[CONTROL_LINE_MAX + 20] = "";
    control->observer = &(struct control_observer){.problem = count_problem};
    problems = 0;
    memset(long_line, 'x', CONTROL_LINE_MAX + 1);
    strcat(long_line, "\nyyy\n");
    folder_write(folder, "file", "one\nbad\n\r\ntwo\r\nbad\ntre");
    assert_int_equal(control_lines(control, "file", refuse_bad, &seen, &folder->error), CONTROL_OK);
    assert_int_equal(seen.len, 12);
    assert_memory_equal(seen.s, "1:one 6:tre ", 12);
    seen.len = 0;
    folder_write(folder, "file", "one\n more\nbad\n more\ntwo\nbad\n");
    assert_int_equal(control_folded_lines(control, "file", refuse_bad, &seen, &folder->error),
                     CONTROL_OK);
    assert_int_equal(seen.len, 12);
    assert_memory_equal(seen.s, "1:one 5:two ", 12);
    seen.len = 0;
    folder_write(folder, "file", long_line);
    assert_int_equal(control_lines(control, "file", refuse_bad, &seen, &folder->error), CONTROL_OK);
    assert_memory_equal(seen.s, "2:yyy ", 6);
    folder_write(folder, "number", "many\n");
    assert_int_equal(control_number(control, "number", &value, 1, 9, &folder->error),
                     CONTROL_ABSENT);
    assert_int_equal(value, 7);
    folder_write(folder, "number", "8\nbad\n");
    assert_int_equal(control_number(control, "number", &value, 1, 9, &folder->error), CONTROL_OK);
    assert_int_equal(value, 8);
    assert_int_equal(mkdirat(control->directory, "folder", 0700), 0);
    assert_int_equal(control_first(control, "folder", &seen, is_word, "a word", &folder->error),
                     CONTROL_ABSENT);
    folder_write(folder, "word", "no word\n");
    assert_int_equal(control_first(control, "word", &seen, is_word, "a word", &folder->error),
                     CONTROL_ABSENT);
    assert_int_equal(seen.len, 0); /* nobody goes on with what was refused */
    stralloc_free(&seen);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(test_entries_comments_and_blanks, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(test_line_ends_and_nul_are_refused, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(test_line_length, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_long_file, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_what_is_no_file, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_too_large, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_open_inherited, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_open, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_first, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_first_checked, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_number, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_forgiving, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_messages_are_escaped_and_cut, folder_make,
                                        folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
