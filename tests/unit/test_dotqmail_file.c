/* deliver/dotqmail_file.h: which file speaks for an address, and which is not believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deliver/dotqmail_file.h"
#include "deliver/dotqmail_parse.h"

struct fixture {
    char path[64];
    struct dotqmail_file file;
    struct failure failure;
};

static int set_up(void **state)
{
    struct fixture *const fixture = calloc(1, sizeof *fixture);
    snprintf(fixture->path, sizeof fixture->path, "/tmp/ekiden-unit-XXXXXX");
    if (!mkdtemp(fixture->path) || chdir(fixture->path) != 0)
        return -1;
    umask(022);
    *state = fixture;
    return 0;
}

static void clear(struct fixture const *fixture)
{
    char command[100];
    snprintf(command, sizeof command, "find %s -mindepth 1 -delete", fixture->path);
    assert_int_equal(system(command), 0);
}

static int tear_down(void **state)
{
    struct fixture *const fixture = *state;
    clear(fixture);
    dotqmail_file_free(&fixture->file);
    if (chdir("/") != 0)
        return -1;
    rmdir(fixture->path);
    free(fixture);
    return 0;
}

static void write_file(char const *name, char const *content, size_t length, mode_t mode)
{
    int const file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, content, length), length);
    assert_int_equal(fchmod(file, mode), 0);
    close(file);
}

static bool find(struct fixture *fixture, char const *dash, char const *extension)
{
    failure_clear(&fixture->failure);
    return dotqmail_file_find(&fixture->file, dash, extension, &fixture->failure);
}

static void names_are_those_of_dot_qmail(void **state)
{
    static struct {
        char const *files; /* separated by blanks */
        char const *dash, *extension;
        char const *found, *default_part; /* NULL: none */
    } const examples[] = {
        {".qmail", "", "", ".qmail", NULL},
        {"", "", "", NULL, NULL},
        {".qmaildefault .qmail-default", "", "", NULL, NULL},
        {".qmail .qmail-default", "-", "a", ".qmail-default", "a"},
        {".qmail", "-", "a", NULL, NULL},
        {".qmail-a .qmail-default", "-", "a", ".qmail-a", NULL},
        {".qmail-a .qmail-default", "-", "A", ".qmail-a", NULL},
        {".qmail-A .qmail-default", "-", "A", ".qmail-default", "A"},
        {".qmail-j:doe", "-", "J.Doe", ".qmail-j:doe", NULL},
        {".qmail-:", "-", ".", ".qmail-:", NULL},
        {".qmail-::", "-", "..", ".qmail-::", NULL},
        {".qmail-a-b-c .qmail-a-b-default", "-", "a-b-c", ".qmail-a-b-c", NULL},
        {".qmail-a-default .qmail-a-b-default", "-", "a-b-c", ".qmail-a-b-default", "c"},
        {".qmail-a-default .qmail-a-b", "-", "a-b-c", ".qmail-a-default", "b-c"},
        {".qmail-default .qmail-a-b", "-", "a-b-c", ".qmail-default", "a-b-c"},
        {".qmail-a-default", "-", "a-", ".qmail-a-default", ""},
        {".qmail-a-default", "-", "a", NULL, NULL},
        {".qmail-a-default", "-", "a-default", ".qmail-a-default", "default"},
        {".qmail-a-default", "-", "a-Default", ".qmail-a-default", "Default"},
        {".qmail-default", "-", "default", ".qmail-default", "default"},
        {".qmail-default", "-", "", ".qmail-default", ""},
        {".qmail--default", "-", "-", ".qmail--default", ""},
        {".qmail-+x", "-", "+x", ".qmail-+x", NULL},
    };
    struct fixture *const fixture = *state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        char files[100], *rest = files, *name;
        clear(fixture);
        strcpy(files, examples[i].files);
        while ((name = strtok_r(rest, " ", &rest)))
            write_file(name, name, strlen(name), 0600);
        assert_true(find(fixture, examples[i].dash, examples[i].extension));
        bool const found = fixture->file.found;
        if (found != (examples[i].found != NULL))
            fail_msg("example %zu: found %d", i, found);
        if (found) {
            assert_true(stralloc_0(&fixture->file.bytes));
            assert_string_equal(fixture->file.bytes.s, examples[i].found);
            assert_string_equal(fixture->file.name.s, examples[i].found);
        }
        if (!examples[i].default_part)
            assert_null(fixture->file.default_part);
        else
            assert_string_equal(fixture->file.default_part, examples[i].default_part);
    }
}

static void long_extensions_end(void **state)
{
    struct fixture *const fixture = *state;
    char extension[500];
    memset(extension, '-', sizeof extension);
    extension[sizeof extension - 1] = 0;
    assert_true(find(fixture, "-", extension));
    assert_false(fixture->file.found);
    write_file(".qmail-default", "x", 1, 0600);
    assert_true(find(fixture, "-", extension));
    assert_true(fixture->file.found);
    assert_false(dotqmail_file_is_extension("../../x"));
    assert_false(dotqmail_file_is_extension("a/b"));
    assert_true(dotqmail_file_is_extension(".."));
}

static void expect_deferred(struct fixture *fixture)
{
    assert_false(find(fixture, "", ""));
    assert_int_equal(fixture->failure.result, JOB_DEFERRED);
    assert_false(fixture->file.found);
    assert_int_equal(fixture->failure.text[0], '4');
}

/* K04, K05 */
static void what_is_no_safe_file_defers(void **state)
{
    struct fixture *const fixture = *state;
    static char large[DOTQMAIL_SIZE_MAX + 1];
    static mode_t const modes[] = {0620, 0602, 0666, 0777};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        write_file(".qmail", "./Maildir/\n", 11, modes[i]);
        expect_deferred(fixture);
    }
    unlink(".qmail");
    assert_int_equal(mkfifo(".qmail", 0600), 0);
    expect_deferred(fixture);
    unlink(".qmail");
    assert_int_equal(mkdir(".qmail", 0700), 0);
    expect_deferred(fixture);
    rmdir(".qmail");
    assert_int_equal(symlink("/dev/zero", ".qmail"), 0);
    expect_deferred(fixture);
    unlink(".qmail");
    assert_int_equal(symlink(".qmail", ".qmail"), 0);
    expect_deferred(fixture);
    unlink(".qmail");
    memset(large, '#', sizeof large);
    write_file(".qmail", large, sizeof large, 0600);
    expect_deferred(fixture);
    write_file(".qmail", large, sizeof large - 1, 0600);
    assert_true(find(fixture, "", ""));
    assert_int_equal(fixture->file.bytes.len, sizeof large - 1);
    if (geteuid() != 0) {
        write_file(".qmail", "x", 1, 0);
        expect_deferred(fixture);
    }
}

/* A link of his own is followed; a dead one is no file; the x bit counts. */
static void links_and_the_x_bit(void **state)
{
    struct fixture *const fixture = *state;
    assert_int_equal(mkdir("lists", 0700), 0);
    write_file("lists/editor", "#\n", 2, 0700);
    assert_int_equal(symlink("lists/editor", ".qmail"), 0);
    assert_true(find(fixture, "", ""));
    assert_true(fixture->file.found);
    assert_true(fixture->file.forward_only);
    chmod("lists/editor", 0600);
    assert_true(find(fixture, "", ""));
    assert_false(fixture->file.forward_only);
    unlink("lists/editor");
    assert_true(find(fixture, "", ""));
    assert_false(fixture->file.found);
}

static void homes_are_checked(void **state)
{
    struct fixture *const fixture = *state;
    static struct {
        mode_t mode;
        bool good, good_to_say;
    } const examples[] = {{0700, true, true},   {0755, true, true},   {0775, false, false},
                          {0757, false, false}, {01700, false, true}, {01777, false, false}};
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        assert_int_equal(chmod(".", examples[i].mode), 0);
        for (int say_only = 0; say_only < 2; say_only++) {
            failure_clear(&fixture->failure);
            bool const good = dotqmail_file_check_home(say_only, &fixture->failure);
            assert_int_equal(good, say_only ? examples[i].good_to_say : examples[i].good);
            assert_int_equal(fixture->failure.result, good ? JOB_DELIVERED : JOB_DEFERRED);
        }
    }
    if (geteuid() == 0) {
        assert_int_equal(chmod(".", 0700), 0);
        assert_int_equal(chown(".", 65534, 65534), 0);
        assert_false(dotqmail_file_check_home(false, &fixture->failure));
    }
}

static atomic_bool swapping;

/* Puts a safe and an unsafe file in the place of .qmail by turns. */
static void *swap(void *argument)
{
    (void)argument;
    while (atomic_load(&swapping)) {
        (void)!link("unsafe", "next");
        (void)!rename("next", ".qmail");
        (void)!link("safe", "next");
        (void)!rename("next", ".qmail");
    }
    return NULL;
}

/* K06: what was checked is what is read, though the name stands for another file by then. */
static void a_swap_is_never_believed(void **state)
{
    struct fixture *const fixture = *state;
    pthread_t thread;
    unsigned int believed = 0, refused = 0;
    write_file("unsafe", "unsafe", 6, 0666);
    write_file("safe", "safe", 4, 0600);
    assert_int_equal(link("safe", ".qmail"), 0);
    atomic_store(&swapping, true);
    assert_int_equal(pthread_create(&thread, NULL, swap, NULL), 0);
    for (int i = 0; i < 20000; i++) {
        if (!find(fixture, "", "")) {
            refused++;
            continue;
        }
        assert_true(fixture->file.found);
        assert_int_equal(fixture->file.bytes.len, 4);
        assert_memory_equal(fixture->file.bytes.s, "safe", 4);
        believed++;
    }
    atomic_store(&swapping, false);
    pthread_join(thread, NULL);
    print_message("%u believed, %u refused\n", believed, refused);
    assert_true(believed && refused);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(names_are_those_of_dot_qmail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_extensions_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_safe_file_defers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(links_and_the_x_bit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(homes_are_checked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_swap_is_never_believed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
