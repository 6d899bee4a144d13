/* Changes of control files: what counts at once, what only when nothing follows, what never. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/control_watch.h"

static char folder[] = "/tmp/ekiden-unit-XXXXXX";
static struct control_watch watch;

static int start(void **state)
{
    (void)state;
    struct control_error error;
    struct control control;
    if (!mkdtemp(folder) || chdir(folder) != 0 ||
        control_open(&control, folder, &error) != CONTROL_OK)
        return -1;
    /* Nobody finds the folder by its name: it counts all the same. */
    control.path = "/nowhere";
    bool const started = control_watch_start(&watch, &control);
    control_close(&control);
    return started ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    close(watch.descriptor);
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static void write_file(char const *name)
{
    int const file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, "x\n", 2), 2);
    assert_int_equal(close(file), 0);
}

static void await_due(void)
{
    assert_false(control_watch_check(&watch));
    while (control_watch_wait(&watch) > 0)
        poll(NULL, 0, control_watch_wait(&watch));
    assert_int_equal(control_watch_wait(&watch), 0);
    assert_true(control_watch_check(&watch));
    assert_int_equal(control_watch_wait(&watch), -1);
    assert_false(control_watch_check(&watch));
}

static void written_and_renamed_count_at_once(void **state)
{
    (void)state;
    write_file("users");
    assert_true(control_watch_check(&watch));
    write_file(".users.new");
    assert_int_equal(rename(".users.new", "users"), 0);
    assert_true(control_watch_check(&watch));
    assert_int_equal(control_watch_wait(&watch), -1);
}

static void other_rights_count_at_once(void **state)
{
    (void)state;
    write_file("users");
    assert_true(control_watch_check(&watch));
    assert_int_equal(chmod("users", 0640), 0);
    assert_true(control_watch_check(&watch));
    int const file = open("fresh", O_WRONLY | O_CREAT | O_EXCL, 0600); /* nothing is in it yet */
    assert_true(file >= 0);
    assert_int_equal(fchmod(file, 0640), 0);
    assert_false(control_watch_check(&watch));
    assert_int_equal(close(file), 0);
    assert_true(control_watch_check(&watch));
    assert_int_equal(unlink("fresh"), 0);
    await_due();
}

static void an_editors_way_never_shows_a_gap(void **state)
{
    (void)state;
    assert_int_equal(rename("users", "users~"), 0);
    assert_false(control_watch_check(&watch));
    assert_true(control_watch_wait(&watch) >= 0);
    write_file("users");
    assert_true(control_watch_check(&watch));
    assert_int_equal(control_watch_wait(&watch), -1); /* what vanished is there again */
    assert_int_equal(unlink("users~"), 0);
    assert_false(control_watch_check(&watch));
}

static void a_gap_during_a_load_is_noticed(void **state)
{
    (void)state;
    write_file("users");
    assert_true(control_watch_check(&watch));
    assert_true(control_watch_is_settled(&watch));
    write_file("users");
    assert_true(control_watch_check(&watch));
    assert_int_equal(rename("users", "users~"), 0); /* while it is being loaded */
    assert_false(control_watch_is_settled(&watch));
    write_file("me"); /* something else does not make the gap go away */
    assert_false(control_watch_check(&watch));
    assert_true(control_watch_wait(&watch) > 0);
    write_file("users");
    await_due(); /* two files came and went: no telling whether all are there */
    write_file("users");
    assert_true(control_watch_check(&watch));
    write_file("users"); /* changed again while it is being loaded: loaded again at once */
    assert_false(control_watch_is_settled(&watch));
    assert_int_equal(control_watch_wait(&watch), 0);
    assert_true(control_watch_check(&watch));
    assert_true(control_watch_is_settled(&watch));
    assert_int_equal(unlink("me"), 0);
    assert_int_equal(unlink("users~"), 0);
    await_due();
}

static void removal_and_links_count_later(void **state)
{
    (void)state;
    assert_int_equal(unlink("users"), 0);
    await_due();
    assert_int_equal(symlink("/dev/null", "badmailfrom"), 0);
    await_due();
    assert_int_equal(unlink("badmailfrom"), 0);
    await_due();
}

static void a_folder_below_counts_when_it_comes(void **state)
{
    (void)state;
    struct control_error error;
    struct control control;
    assert_int_equal(control_open(&control, folder, &error), CONTROL_OK);
    control.path = "/nowhere";
    control_watch_below(&watch, &control, "tls");
    for (int times = 0; times < 2; times++) { /* the second is another folder of that name */
        assert_int_equal(mkdir(".new", 0700), 0);
        assert_int_equal(rename(".new", "tls"), 0);
        assert_true(control_watch_check(&watch));
        assert_int_equal(mkdir("tls/.new", 0700), 0);
        assert_false(control_watch_check(&watch));
        assert_int_equal(rename("tls/.new", "tls/default"), 0);
        assert_true(control_watch_check(&watch));
        write_file("tls/default/key.pem");
        assert_false(control_watch_check(&watch));
        assert_int_equal(control_watch_wait(&watch), -1);
        assert_int_equal(unlink("tls/default/key.pem"), 0);
        assert_int_equal(rmdir("tls/default"), 0);
        assert_false(control_watch_check(&watch));
        assert_true(control_watch_wait(&watch) > 0);
        assert_int_equal(rmdir("tls"), 0);
        await_due();
    }
    watch.below_name = NULL;
    control_close(&control);
}

static void what_is_no_setting_never_counts(void **state)
{
    static char const *const names[] = {"users.cdb", "users.cdb.new.12", ".users.swp", "users~"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        write_file(names[i]);
        assert_int_equal(unlink(names[i]), 0);
        assert_false(control_watch_check(&watch));
        assert_int_equal(control_watch_wait(&watch), -1);
    }
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(written_and_renamed_count_at_once),
        cmocka_unit_test(other_rights_count_at_once),
        cmocka_unit_test(an_editors_way_never_shows_a_gap),
        cmocka_unit_test(a_gap_during_a_load_is_noticed),
        cmocka_unit_test(removal_and_links_count_later),
        cmocka_unit_test(a_folder_below_counts_when_it_comes),
        cmocka_unit_test(what_is_no_setting_never_counts),
    };
    return cmocka_run_group_tests(tests, start, end);
}
