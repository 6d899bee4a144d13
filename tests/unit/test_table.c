#include "control_folder.h"

#include <time.h>

#include <skalibs/stralloc.h>

#include "lib/table.h"

/* `KEY` or `KEY:VALUE`; `bad` is refused. */
static bool parse_pair(char const *line, size_t length, struct table_entry *entry,
                       struct control_error *error)
{
    char const *colon = memchr(line, ':', length);
    if (length == 3 && !memcmp(line, "bad", 3))
        return control_fail(error, "anything else", line, length);
    *entry = (struct table_entry){.key = line, .key_length = length};
    if (colon) {
        entry->key_length = (size_t)(colon - line);
        entry->value = colon + 1;
        entry->value_length = length - entry->key_length - 1;
    }
    return true;
}

static enum control_result load(struct folder *folder, struct table *table)
{
    return table_load(table, &folder->control, "list", parse_pair, &folder->error);
}

static void assert_line(struct table const *table, char const *key, unsigned int expected)
{
    char const *value = 0;
    size_t length = 0;
    assert_true(table_find(table, key, strlen(key), &value, &length));
    assert_int_equal(table_line(value), expected);
}

/* The value of KEY is EXPECTED; 0: it is not there. */
static void assert_found(struct table const *table, char const *key, char const *expected)
{
    char const *value = 0;
    size_t length = 0;
    bool found = table_find(table, key, strlen(key), &value, &length);
    assert_int_equal(found, expected != 0);
    if (found) {
        assert_int_equal(length, strlen(expected));
        assert_memory_equal(value, expected, length);
    }
}

static void assert_domain(struct table const *table, char const *domain, char const *expected)
{
    char const *value = 0;
    size_t length = 0;
    bool found = table_find_domain(table, domain, strlen(domain), &value, &length);
    assert_int_equal(found, expected != 0);
    if (found) {
        assert_int_equal(length, strlen(expected));
        assert_memory_equal(value, expected, length);
    }
}

static void test_absent_and_empty(void **state)
{
    struct folder *folder = *state;
    struct table table = {.present = true};
    assert_int_equal(load(folder, &table), CONTROL_ABSENT);
    assert_false(table.present);
    assert_found(&table, "a", 0);
    assert_domain(&table, "a.b", 0);
    table_free(&table);
    folder_write(folder, "list", "# none\n");
    assert_int_equal(load(folder, &table), CONTROL_OK);
    assert_true(table.present);
    assert_found(&table, "a", 0);
    assert_found(&table, "", 0);
    table_free(&table);
    assert_false(table.present);
}

static void test_find(void **state)
{
    struct folder *folder = *state;
    struct table table;
    folder_write(folder, "list",
                 "One:First\nTWO\none:second\n# not this\n:empty key\n\303\204:\303\204\n");
    assert_int_equal(load(folder, &table), CONTROL_OK);
    assert_found(&table, "one", "First");
    assert_found(&table, "ONE", "First");
    assert_found(&table, "two", "");
    assert_found(&table, "", "empty key");
    assert_line(&table, "one", 1); /* the first counts */
    assert_line(&table, "two", 2);
    assert_line(&table, "", 5);
    assert_found(&table, "three", 0);
    assert_found(&table, "on", 0);
    assert_found(&table, "\303\204", "\303\204");
    assert_found(&table, "\303\244", 0); /* only ASCII is folded */
    table_free(&table);
}

static void test_find_domain(void **state)
{
    struct folder *folder = *state;
    struct table table;
    folder_write(folder, "list",
                 "a.test:exact\n.a.test:below\n.c.b.test:far\n.test:top\nx:x\n.:dot\n");
    assert_int_equal(load(folder, &table), CONTROL_OK);
    assert_domain(&table, "A.Test", "exact");
    assert_domain(&table, "w.a.test", "below");
    assert_domain(&table, "v.w.a.test", "below");
    assert_domain(&table, "d.c.b.test", "far");
    assert_domain(&table, "c.b.test", "top");
    assert_domain(&table, "xa.test", "top");
    assert_domain(&table, "test", 0);
    assert_domain(&table, "x", "x");
    assert_domain(&table, "y.x", 0);
    assert_domain(&table, "a.", "dot"); /* only where somebody lists a lone dot */
    assert_domain(&table, "", 0);
    table_free(&table);
}

static void test_keys_that_no_file_can_hold(void **state)
{
    struct folder *folder = *state;
    struct table table;
    char const *value;
    size_t length;
    char key[TABLE_KEY_MAX + 2];
    memset(key, 'k', sizeof key);
    key[TABLE_KEY_MAX] = '\n';
    folder_write_bytes(folder, "list", key, TABLE_KEY_MAX + 1);
    assert_int_equal(load(folder, &table), CONTROL_OK);
    assert_true(table_find(&table, key, TABLE_KEY_MAX, &value, &length));
    key[TABLE_KEY_MAX] = 'k';
    assert_false(table_find(&table, key, TABLE_KEY_MAX + 1, &value, &length));
    assert_false(table_find_domain(&table, key, TABLE_KEY_MAX + 1, &value, &length));
    /* The stamp of the file is in the cdb, under a key with a NUL. */
    assert_false(table_find(&table, "\0source", 7, &value, &length));
    assert_false(table_find_domain(&table, "x.\0source", 9, &value, &length));
    table_free(&table);
    folder_write_bytes(folder, "list", key, sizeof key);
    assert_int_equal(load(folder, &table), CONTROL_ERROR);
    folder_assert_error_part(folder, "list:1: expected a name of at most 1024 bytes", "got `kkk");
}

static void test_error_leaves_the_table(void **state)
{
    struct folder *folder = *state;
    struct table table;
    folder_write(folder, "list", "good:1\n");
    assert_int_equal(load(folder, &table), CONTROL_OK);
    folder_write(folder, "list", "good:2\n\nbad\n");
    assert_int_equal(load(folder, &table), CONTROL_ERROR);
    folder_assert_error(folder, "list:3: expected anything else, got `bad`");
    assert_found(&table, "good", "1");
    table_free(&table);
}

/* Writes COUNT entries `uNUMBER:VALUE`. */
static void write_large(struct folder *folder, unsigned int count, char const *value)
{
    stralloc text = STRALLOC_ZERO;
    char line[64];
    for (unsigned int i = 0; i < count; i++) {
        int size = snprintf(line, sizeof line, "u%07u:%s\n", i, value);
        assert_true(stralloc_catb(&text, line, (size_t)size));
    }
    folder_write_bytes(folder, "list", text.s, text.len);
    stralloc_free(&text);
}

static bool is_there(struct folder *folder, char const *name, struct stat *status)
{
    return fstatat(folder->control.directory, name, status, 0) == 0;
}

/* Loads until list.cdb is there: it is not made within the clock tick of the last change. */
static struct stat load_until_saved(struct folder *folder)
{
    struct stat status;
    do {
        struct table table;
        assert_int_equal(load(folder, &table), CONTROL_OK);
        assert_found(&table, "u0000000", "a");
        table_free(&table);
    } while (!is_there(folder, "list.cdb", &status));
    return status;
}

static void assert_value(struct folder *folder, char const *value)
{
    struct table table;
    assert_int_equal(load(folder, &table), CONTROL_OK);
    assert_found(&table, "u0000000", value);
    assert_found(&table, "u0007999", value);
    assert_found(&table, "u0008000", 0);
    table_free(&table);
}

static void test_small_file_makes_no_cdb(void **state)
{
    struct stat status;
    struct table table;
    write_large(*state, 10, "a");
    assert_int_equal(load(*state, &table), CONTROL_OK);
    table_free(&table);
    assert_false(is_there(*state, "list.cdb", &status));
}

static void test_cdb_is_used_while_it_fits(void **state)
{
    struct folder *folder = *state;
    struct stat first, second;
    write_large(folder, 8000, "a");
    assert_int_equal(fchmodat(folder->control.directory, "list", 0640, 0), 0);
    first = load_until_saved(folder);
    assert_int_equal(first.st_mode & 07777, 0640);
    assert_value(folder, "a");
    assert_true(is_there(folder, "list.cdb", &second));
    assert_true(first.st_ino == second.st_ino);
    assert_true(first.st_ctim.tv_sec == second.st_ctim.tv_sec &&
                first.st_ctim.tv_nsec == second.st_ctim.tv_nsec);
}

static void test_stale_cdb_is_not_used(void **state)
{
    struct folder *folder = *state;
    struct stat source;
    write_large(folder, 8000, "a");
    load_until_saved(folder);
    assert_true(is_there(folder, "list", &source));
    /* Same size, same inode, same modification time. */
    write_large(folder, 8000, "b");
    struct timespec times[2] = {source.st_atim, source.st_mtim};
    assert_int_equal(utimensat(folder->control.directory, "list", times, 0), 0);
    assert_value(folder, "b");
    assert_value(folder, "b");
    write_large(folder, 8000, "c");
    assert_value(folder, "c");
    assert_int_equal(unlinkat(folder->control.directory, "list", 0), 0);
    struct table table;
    assert_int_equal(load(folder, &table), CONTROL_ABSENT);
    assert_found(&table, "u0000000", 0);
}

/* One byte changes again and again, in place, many times within one tick of the clock that stamps
 * files: never an old value. (From Linux 6.13 on that clock is fine enough by itself.) */
static void test_changes_within_a_tick(void **state)
{
    struct folder *folder = *state;
    stralloc text = STRALLOC_ZERO;
    assert_true(stralloc_cats(&text, "key:a\n#"));
    while (text.len < TABLE_FILE_MIN)
        assert_true(stralloc_cats(&text, "                                                  \n#"));
    folder_write_bytes(folder, "list", text.s, text.len);
    stralloc_free(&text);
    int descriptor = openat(folder->control.directory, "list", O_WRONLY | O_CLOEXEC);
    assert_true(descriptor >= 0);
    for (unsigned int i = 0; i < 500; i++) {
        char value[2] = {(char)('a' + i % 20), 0};
        struct table table;
        assert_int_equal(pwrite(descriptor, value, 1, 4), 1);
        assert_int_equal(load(folder, &table), CONTROL_OK);
        assert_found(&table, "key", value);
        table_free(&table);
    }
    close(descriptor);
}

static stralloc read_cdb(struct folder *folder)
{
    stralloc bytes = STRALLOC_ZERO;
    char buffer[4096];
    ssize_t count;
    int descriptor = openat(folder->control.directory, "list.cdb", O_RDONLY | O_CLOEXEC);
    assert_true(descriptor >= 0);
    while ((count = read(descriptor, buffer, sizeof buffer)) > 0)
        assert_true(stralloc_catb(&bytes, buffer, (size_t)count));
    close(descriptor);
    return bytes;
}

/* Cut anywhere, any byte flipped: the source is read instead, and the cdb is made anew. */
static void test_damaged_cdb_is_not_used(void **state)
{
    struct folder *folder = *state;
    write_large(folder, 8000, "a");
    load_until_saved(folder);
    stralloc whole = read_cdb(folder);
    size_t step = whole.len / 37;
    for (size_t i = 0; i < whole.len; i += i < 2200 ? 61 : step) {
        folder_write_bytes(folder, "list.cdb", whole.s, i);
        assert_value(folder, "a");
        whole.s[i] = (char)~whole.s[i];
        folder_write_bytes(folder, "list.cdb", whole.s, whole.len);
        whole.s[i] = (char)~whole.s[i];
        assert_value(folder, "a");
        stralloc again = read_cdb(folder);
        assert_int_equal(again.len, whole.len);
        assert_memory_equal(again.s, whole.s, whole.len);
        stralloc_free(&again);
    }
    stralloc_free(&whole);
}

static void test_what_stands_in_the_way(void **state)
{
    struct folder *folder = *state;
    write_large(folder, 8000, "a");
    assert_int_equal(symlinkat("/etc/passwd", folder->control.directory, "list.cdb"), 0);
    assert_value(folder, "a");
    assert_int_equal(unlinkat(folder->control.directory, "list.cdb", 0), 0);
    assert_int_equal(mkfifoat(folder->control.directory, "list.cdb", 0644), 0);
    assert_value(folder, "a");
    unlinkat(folder->control.directory, "list.cdb", 0);
    assert_int_equal(mkdirat(folder->control.directory, "list.cdb", 0755), 0);
    assert_value(folder, "a");
}

static unsigned int count_entries(struct folder *folder)
{
    unsigned int count = 0;
    DIR *directory = opendir(folder->path);
    assert_non_null(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count - 2;
}

static void test_nothing_is_left_behind(void **state)
{
    struct folder *folder = *state;
    char name[64];
    snprintf(name, sizeof name, "list.cdb.new.%ld", (long)getpid());
    write_large(folder, 8000, "a");
    folder_write(folder, name, "left by a process that was killed");
    load_until_saved(folder);
    assert_int_equal(count_entries(folder), 2);
    /* Where it cannot be saved. */
    unlinkat(folder->control.directory, "list.cdb", 0);
    assert_int_equal(mkdirat(folder->control.directory, "list.cdb", 0755), 0);
    assert_value(folder, "a");
    assert_int_equal(count_entries(folder), 2);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* A million entries, then the same with each many times over: the time is printed. It must not
 * grow with the square, or this test would not end. */
static void test_a_million(void **state)
{
    struct folder *folder = *state;
    struct table table;
    write_large(folder, 1000000, "a");
    double start = seconds();
    assert_int_equal(load(folder, &table), CONTROL_OK);
    double compiled = seconds();
    assert_found(&table, "u0999999", "a");
    table_free(&table);
    load_until_saved(folder);
    double saved = seconds();
    assert_int_equal(load(folder, &table), CONTROL_OK);
    double mapped = seconds();
    assert_found(&table, "u0999999", "a");
    table_free(&table);
    print_message("# 1,000,000 entries: compiled in %.0f ms, mapped in %.1f ms\n",
                  1e3 * (compiled - start), 1e3 * (mapped - saved));
    stralloc text = STRALLOC_ZERO;
    for (unsigned int i = 0; i < 1000000; i++)
        assert_true(stralloc_cats(&text, i % 2 ? "same:2\n" : "same:1\n"));
    folder_write_bytes(folder, "list", text.s, text.len);
    stralloc_free(&text);
    assert_int_equal(load(folder, &table), CONTROL_OK);
    assert_found(&table, "same", "1");
    table_free(&table);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(test_absent_and_empty, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_find, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_find_domain, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_keys_that_no_file_can_hold, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(test_error_leaves_the_table, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_small_file_makes_no_cdb, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_cdb_is_used_while_it_fits, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_stale_cdb_is_not_used, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_changes_within_a_tick, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_damaged_cdb_is_not_used, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_what_stands_in_the_way, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_nothing_is_left_behind, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_a_million, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
