/* Maildir++ quotas: the file of counts, when it is believed, and that it mends itself. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "deliver/maildir_quota.h"

static void quotas_as_text(void **state)
{
    static struct {
        char const *text;
        uint64_t bytes, messages;
        char const *written;
    } const good[] = {{"1000S,10C", 1000, 10, "1000S,10C"},
                      {"10C,1000S", 1000, 10, "1000S,10C"},
                      {"10000000S", 10000000, 0, "10000000S"},
                      {"1G", 1 << 30, 0, "1073741824S"},
                      {"2Ms", 2 << 20, 0, "2097152S"},
                      {"7c", 0, 7, "7C"},
                      {"0", 0, 0, "0S"},
                      {"500M,10000C", 500 << 20, 10000, "524288000S,10000C"}};
    static char const *const bad[] = {"",       "S",    "C",        ",",    "1,",     ",1",
                                      "1SS",    "1S C", "-1S",      "1.5G", "1000 S", "xS",
                                      "1S,,1C", "1X",   "9999999T", "1S\n", "anna:1S"};
    struct maildir_limit limit;
    char text[MAILDIR_LIMIT_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(maildir_limit_parse(good[i].text, strlen(good[i].text), &limit));
        assert_int_equal(limit.bytes, good[i].bytes);
        assert_int_equal(limit.messages, good[i].messages);
        maildir_limit_format(text, &limit);
        assert_string_equal(text, good[i].written);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(maildir_limit_parse(bad[i], strlen(bad[i]), &limit));
}

static void ledgers(void **state)
{
    static struct {
        char const *text;
        int64_t bytes, messages;
        size_t changes;
    } const good[] = {{"1000S,10C\n", 0, 0, 0},
                      {"1000S\n100 1\n", 100, 1, 1},
                      {"1000S\n100         1\n-40        -1\n 7\t0 \n", 67, 0, 3},
                      {"0S   \n0 0\n", 0, 0, 1}};
    static char const *const bad[] = {"",
                                      "\n",
                                      "1000S",
                                      "1000S\n100 1",
                                      "1000S\n100\n",
                                      "1000S\n100 1 1\n",
                                      "1000S\n100 x\n",
                                      "1000S\n- -\n",
                                      "1000S\n-1 0\n",
                                      "1000S\n0 -1\n",
                                      "1000S\n\n",
                                      "1000S\n99999999999999999999 1\n",
                                      "1000S\n1152921504606846976 1\n1 1\n",
                                      "x\n1 1\n"};
    struct maildir_ledger ledger;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(maildir_ledger_parse(good[i].text, strlen(good[i].text), &ledger));
        assert_int_equal(ledger.used.bytes, good[i].bytes);
        assert_int_equal(ledger.used.messages, good[i].messages);
        assert_int_equal(ledger.changes, good[i].changes);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(maildir_ledger_parse(bad[i], strlen(bad[i]), &ledger));
    assert_false(maildir_ledger_parse("1000S\n1\0 1\n", 11, &ledger));
}

static void a_line_has_14_bytes(void **state)
{
    char text[MAILDIR_CHANGE_SIZE];
    (void)state;
    assert_int_equal(maildir_change_format(text, &(struct maildir_usage){1234, 1}), 14);
    assert_string_equal(text, "1234        1\n");
    assert_int_equal(maildir_change_format(text, &(struct maildir_usage){-(INT64_C(1) << 60), -5}),
                     strlen("-1152921504606846976 -5\n"));
}

/* --- a mailbox --- */

struct box {
    char path[64];
    int root;
    struct maildir_namer namer;
};

static void make_folder(struct box *box, char const *name)
{
    assert_int_equal(mkdirat(box->root, name, 0700), 0);
}

static int make_box(void **state)
{
    struct box *const box = calloc(1, sizeof *box);
    snprintf(box->path, sizeof box->path, "/tmp/ekiden-unit.XXXXXX");
    if (!mkdtemp(box->path))
        return -1;
    box->root = open(box->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    make_folder(box, "new");
    make_folder(box, "cur");
    make_folder(box, "tmp");
    maildir_namer_start(&box->namer, "host");
    *state = box;
    return 0;
}

static int remove_box(void **state)
{
    struct box *const box = *state;
    char command[128];
    close(box->root);
    snprintf(command, sizeof command, "rm -rf %s", box->path);
    int const result = system(command);
    free(box);
    return result;
}

static void put(struct box *box, char const *name, size_t length)
{
    char bytes[4096];
    memset(bytes, 'x', sizeof bytes);
    int const file = openat(box->root, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, bytes, length), (ssize_t)length);
    close(file);
}

static void write_ledger(struct box *box, char const *text, time_t age)
{
    struct timespec times[2];
    clock_gettime(CLOCK_REALTIME, times);
    times[0].tv_sec -= age;
    times[1] = times[0];
    int const file = openat(box->root, "maildirsize", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(file, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(futimens(file, times), 0);
    close(file);
}

static char const *read_ledger(struct box *box)
{
    static char text[8192];
    int const file = openat(box->root, "maildirsize", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return "none";
    ssize_t const length = read(file, text, sizeof text - 1);
    close(file);
    text[length < 0 ? 0 : length] = 0;
    return text;
}

static bool allows(struct box *box, uint64_t bytes, uint64_t messages, int64_t more)
{
    struct maildir_limit const limit = {.bytes = bytes, .messages = messages};
    return maildir_quota_allows(box->root, &limit, &(struct maildir_usage){more, 1}, &box->namer);
}

/* Nothing of the mail has changed for an hour. */
static void age_folders(struct box *box)
{
    static char const *const names[] = {"new", "cur", ".Sent/new", ".Sent/cur"};
    struct timespec times[2];
    clock_gettime(CLOCK_REALTIME, times);
    times[0].tv_sec -= 3600;
    times[1] = times[0];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)utimensat(box->root, names[i], times, 0);
}

static void all_folders_count(void **state)
{
    struct box *const box = *state;
    make_folder(box, ".Sent");
    make_folder(box, ".Sent/new");
    make_folder(box, ".Sent/cur");
    make_folder(box, ".Trash");
    make_folder(box, ".Trash/cur");
    make_folder(box, "other");
    make_folder(box, "other/new");
    put(box, "new/1.a.host", 100);
    put(box, "cur/2.a.host,S=1000:2,S", 10); /* its name counts */
    put(box, "cur/2.b.host,S=x:2,", 10);
    put(box, ".Sent/cur/3.a.host:2,T", 5);
    put(box, ".Trash/cur/4.a.host:2,", 3);
    put(box, "new/.hidden", 1000);
    put(box, "tmp/unfinished", 1000);
    put(box, "other/new/5.a.host", 1000);
    make_folder(box, "cur/folder");
    assert_int_equal(symlinkat("/etc/passwd", box->root, "cur/link"), 0);
    assert_int_equal(symlinkat("other", box->root, ".Link"), 0);
    assert_true(allows(box, 2000, 0, 1));
    assert_string_equal(read_ledger(box), "2000S\n1118        5\n");
}

/* Whoever can make files there, a link is enough, says how large they are. */
static void more_than_there_can_be(void **state)
{
    struct box *const box = *state;
    char name[64];
    put(box, "new/0.a.host", 1);
    for (int i = 0; i < 1100; i++) {
        snprintf(name, sizeof name, "cur/%d.a.host,S=11258999068426239", i);
        assert_int_equal(linkat(box->root, "new/0.a.host", box->root, name, 0), 0);
    }
    assert_false(allows(box, 1000, 0, 1));
    assert_string_equal(read_ledger(box), "1000S\n1152921504606846976 1101\n");
    assert_false(allows(box, 1000, 0, 1)); /* by the file */
}

static void a_message_fits_or_not(void **state)
{
    struct box *const box = *state;
    assert_true(allows(box, 1000, 2, 1000));
    assert_false(allows(box, 1000, 2, 1001));
    put(box, "new/1.a.host", 600);
    maildir_quota_add(box->root, &(struct maildir_usage){600, 1});
    assert_string_equal(read_ledger(box), "1000S,2C\n0           0\n600         1\n");
    assert_true(allows(box, 1000, 2, 400));
    assert_false(allows(box, 1000, 2, 401)); /* counted: two lines are not trusted to refuse */
    assert_string_equal(read_ledger(box), "1000S,2C\n600         1\n");
    put(box, "new/2.a.host", 1);
    maildir_quota_add(box->root, &(struct maildir_usage){1, 1});
    assert_false(allows(box, 1000, 2, 1)); /* messages */
    assert_true(allows(box, 1000, 3, 1));  /* the operator has changed his mind */
    assert_string_equal(read_ledger(box), "1000S,3C\n601         2\n");
}

static void what_was_deleted_is_noticed(void **state)
{
    struct box *const box = *state;
    put(box, "cur/1.a.host", 600);
    put(box, "cur/2.a.host", 400);
    age_folders(box);
    write_ledger(box, "1000S\n1000 2\n", 60);
    assert_false(allows(box, 1000, 0, 1));
    assert_string_equal(read_ledger(box), "1000S\n1000 2\n"); /* believed */
    assert_int_equal(unlinkat(box->root, "cur/1.a.host", 0), 0);
    assert_true(allows(box, 1000, 0, 600));
    assert_string_equal(read_ledger(box), "1000S\n400         1\n");
}

static void a_wrong_count_refuses_for_15_minutes_at_most(void **state)
{
    struct box *const box = *state;
    age_folders(box);
    write_ledger(box, "1000S\n5000 2\n", MAILDIR_QUOTA_SECONDS - 60);
    assert_false(allows(box, 1000, 0, 1));
    write_ledger(box, "1000S\n5000 2\n", MAILDIR_QUOTA_SECONDS);
    assert_true(allows(box, 1000, 0, 1));
    write_ledger(box, "1000S\n5000 2\n", -60); /* of the future */
    assert_true(allows(box, 1000, 0, 1));
    write_ledger(box, "1000S\n5000 2\n0 0\n", 60); /* of several lines */
    assert_true(allows(box, 1000, 0, 1));
}

static void what_is_no_ledger_is_replaced(void **state)
{
    struct box *const box = *state;
    char long_one[6000] = "1000S\n";
    write_ledger(box, "garbage\n", 0);
    assert_true(allows(box, 1000, 0, 1));
    assert_string_equal(read_ledger(box), "1000S\n0           0\n");
    for (size_t at = strlen(long_one); at < 5500; at += 4)
        strcpy(long_one + at, "0 0\n");
    write_ledger(box, long_one, 0);
    assert_true(allows(box, 1000, 0, 1));
    assert_string_equal(read_ledger(box), "1000S\n0           0\n");
    assert_int_equal(unlinkat(box->root, "maildirsize", 0), 0);
    assert_int_equal(symlinkat("/etc/passwd", box->root, "maildirsize"), 0);
    maildir_quota_add(box->root, &(struct maildir_usage){1, 1});
    assert_true(allows(box, 1000, 0, 1));
    assert_string_equal(read_ledger(box), "1000S\n0           0\n");
    assert_int_equal(unlinkat(box->root, "maildirsize", 0), 0);
    assert_int_equal(mkfifoat(box->root, "maildirsize", 0600), 0);
    assert_true(allows(box, 1000, 0, 1));
    assert_string_equal(read_ledger(box), "1000S\n0           0\n");
}

static void mail_is_never_refused_for_a_failure(void **state)
{
    struct box *const box = *state;
    make_folder(box, "maildirsize"); /* cannot be replaced */
    assert_true(allows(box, 1000, 0, 1));
    assert_false(allows(box, 1000, 0, 1001)); /* but what is counted holds */
}

static void a_folder_counts_for_its_mailbox(void **state)
{
    struct box *const box = *state;
    struct maildir_limit limit;
    make_folder(box, ".Sent");
    int const folder = openat(box->root, ".Sent", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int root = maildir_quota_root(folder);
    assert_false(maildir_quota_own(root, &limit));
    close(root);
    put(box, ".Sent/maildirfolder", 0);
    write_ledger(box, "0S\n", 0);
    root = maildir_quota_root(folder);
    assert_false(maildir_quota_own(root, &limit)); /* a count without a quota */
    write_ledger(box, "1000S,7C\n", 0);
    assert_true(maildir_quota_own(root, &limit));
    assert_int_equal(limit.bytes, 1000);
    assert_int_equal(limit.messages, 7);
    close(root);
    close(folder);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(quotas_as_text),
        cmocka_unit_test(ledgers),
        cmocka_unit_test(a_line_has_14_bytes),
        cmocka_unit_test_setup_teardown(all_folders_count, make_box, remove_box),
        cmocka_unit_test_setup_teardown(more_than_there_can_be, make_box, remove_box),
        cmocka_unit_test_setup_teardown(a_message_fits_or_not, make_box, remove_box),
        cmocka_unit_test_setup_teardown(what_was_deleted_is_noticed, make_box, remove_box),
        cmocka_unit_test_setup_teardown(a_wrong_count_refuses_for_15_minutes_at_most, make_box,
                                        remove_box),
        cmocka_unit_test_setup_teardown(what_is_no_ledger_is_replaced, make_box, remove_box),
        cmocka_unit_test_setup_teardown(mail_is_never_refused_for_a_failure, make_box, remove_box),
        cmocka_unit_test_setup_teardown(a_folder_counts_for_its_mailbox, make_box, remove_box),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
