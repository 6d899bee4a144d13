/* queue/reasons.h: the last reason of each recipient, and nothing of an entry that is damaged. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "queue/reasons.h"

#define ID         "0123456789abcdefghjk"
#define OTHER      "0123456789abcdefghjm"
#define ENTRY_SIZE 512

static char top[] = "/tmp/ekiden-reasons-XXXXXX";
static int queue, file;

static int make_queue(void **state)
{
    (void)state;
    if (!mkdtemp(top))
        return -1;
    queue = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    file = queue < 0 ? -1 : reasons_open(queue, true);
    return file < 0;
}

static int remove_queue(void **state)
{
    (void)state;
    close(file);
    unlinkat(queue, REASONS_FILE, 0);
    close(queue);
    return rmdir(top);
}

static void the_last_one_is_known(void **state)
{
    struct reason reason;
    (void)state;
    assert_false(reasons_get(file, ID, 0, &reason));
    reasons_put(file, ID, 0, 17, "4.2.0 later");
    reasons_put(file, ID, 1, 18, "4.3.0 full");
    reasons_put(file, ID, 0, 19, "4.4.1 away");
    assert_true(reasons_get(file, ID, 0, &reason));
    assert_string_equal(reason.text, "4.4.1 away");
    assert_int_equal(reason.when, 19);
    assert_true(reasons_get(file, ID, 1, &reason));
    assert_string_equal(reason.text, "4.3.0 full");
    assert_false(reasons_get(file, ID, 2, &reason));
    assert_false(reasons_get(file, OTHER, 0, &reason));
}

static void who_looks_changes_nothing(void **state)
{
    struct reason reason;
    int const reader = reasons_open(queue, false);
    (void)state;
    reasons_put(file, ID, 0, 1, "4.2.0 later");
    assert_true(reasons_get(reader, ID, 0, &reason));
    reasons_put(reader, ID, 0, 2, "4.2.0 not allowed");
    assert_true(reasons_get(reader, ID, 0, &reason));
    assert_int_equal(reason.when, 1);
    close(reader);
}

/* The file stays as large as it may get, whatever is noted; so some are overwritten. */
static void it_has_an_end(void **state)
{
    struct stat status;
    struct reason reason;
    unsigned int known = 0;
    (void)state;
    for (uint32_t index = 0; index < 2 * REASONS_ENTRIES; index++)
        reasons_put(file, ID, index, index, "4.2.0 later");
    assert_int_equal(fstat(file, &status), 0);
    assert_true(status.st_size <= REASONS_ENTRIES * ENTRY_SIZE);
    for (uint32_t index = 0; index < 2 * REASONS_ENTRIES; index++)
        if (reasons_get(file, ID, index, &reason)) {
            assert_int_equal(reason.when, index);
            known++;
        }
    assert_true(known > REASONS_ENTRIES / 2 && known <= REASONS_ENTRIES);
}

static void what_is_too_long_is_cut(void **state)
{
    static char text[REASONS_TEXT_MAX + 100];
    struct reason reason;
    (void)state;
    memset(text, 'x', sizeof text - 1);
    reasons_put(file, ID, 0, 1, text);
    assert_true(reasons_get(file, ID, 0, &reason));
    assert_int_equal(strlen(reason.text), REASONS_TEXT_MAX);
}

/* Alone in the file, so that the whole of it can be damaged. */
static void what_is_damaged_is_not_shown(void **state)
{
    char entry[ENTRY_SIZE];
    struct reason reason;
    struct stat status;
    (void)state;
    assert_int_equal(ftruncate(file, 0), 0);
    reasons_put(file, ID, 0, 1, "4.2.0 later");
    assert_int_equal(fstat(file, &status), 0);
    off_t const at = status.st_size - ENTRY_SIZE;
    assert_int_equal(pread(file, entry, sizeof entry, at), sizeof entry);
    for (size_t i = 0; i < sizeof entry; i++) {
        entry[i] ^= 1;
        assert_int_equal(pwrite(file, entry, sizeof entry, at), sizeof entry);
        assert_false(reasons_get(file, ID, 0, &reason));
        entry[i] ^= 1;
    }
    for (off_t length = ENTRY_SIZE; length-- > 0;) {
        assert_int_equal(pwrite(file, entry, sizeof entry, at), sizeof entry);
        assert_true(reasons_get(file, ID, 0, &reason));
        assert_int_equal(ftruncate(file, at + length), 0);
        assert_false(reasons_get(file, ID, 0, &reason));
    }
}

static void only_a_file_is_opened(void **state)
{
    (void)state;
    assert_int_equal(mkfifoat(queue, "fifo", 0600), 0);
    assert_int_equal(renameat(queue, REASONS_FILE, queue, "kept"), 0);
    assert_int_equal(symlinkat("kept", queue, REASONS_FILE), 0);
    assert_int_equal(reasons_open(queue, true), -1);
    assert_int_equal(renameat(queue, "fifo", queue, REASONS_FILE), 0);
    assert_int_equal(reasons_open(queue, true), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(renameat(queue, "kept", queue, REASONS_FILE), 0);
    reasons_put(-1, ID, 0, 1, "nowhere");
    assert_false(reasons_get(-1, ID, 0, &(struct reason){0}));
}

int main(void)
{
    struct CMUnitTest const tests[] = {cmocka_unit_test(the_last_one_is_known),
                                       cmocka_unit_test(who_looks_changes_nothing),
                                       cmocka_unit_test(it_has_an_end),
                                       cmocka_unit_test(what_is_too_long_is_cut),
                                       cmocka_unit_test(what_is_damaged_is_not_shown),
                                       cmocka_unit_test(only_a_file_is_opened)};
    return cmocka_run_group_tests(tests, make_queue, remove_queue);
}
