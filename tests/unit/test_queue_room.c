/* The queue's room and its count: what is asked for, what is there, and that each change is noticed
 * once. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control_folder.h"

#include <cmocka.h>

#include "lib/control_size.h"
#include "queue/queue_room.h"

static void sizes(void **state)
{
    static struct {
        char const *text;
        uint64_t bytes;
    } const good[] = {{"0", 0},
                      {"1", 1},
                      {"10K", 10240},
                      {"8m", UINT64_C(8) << 20},
                      {"3G", UINT64_C(3) << 30},
                      {"8388607T", UINT64_C(8388607) << 40},
                      {"9223372036854775807", INT64_MAX}};
    static char const *const bad[] = {"",
                                      "K",
                                      "-1",
                                      "1 K",
                                      "1KB",
                                      "1.5G",
                                      "0x1",
                                      "+1",
                                      "8388608T",
                                      "9223372036854775808",
                                      "99999999999999999999999",
                                      "1KK"};
    uint64_t bytes;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(size_parse(good[i].text, strlen(good[i].text), &bytes));
        assert_int_equal(bytes, good[i].bytes);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(size_parse(bad[i], strlen(bad[i]), &bytes));
}

static void settings(void **state)
{
    struct folder *const folder = *state;
    struct queue_limits limits;
    assert_int_equal(queue_limits_load(&limits, &folder->control, &folder->error), CONTROL_OK);
    assert_int_equal(limits.minfree, QUEUE_MINFREE);
    assert_int_equal(limits.maxqueue, 0);
    folder_write_bytes(folder, "minfree", "1G\n", 3);
    folder_write_bytes(folder, "maxqueue", "100\n", 4);
    assert_int_equal(queue_limits_load(&limits, &folder->control, &folder->error), CONTROL_OK);
    assert_int_equal(limits.minfree, UINT64_C(1) << 30);
    assert_int_equal(limits.maxqueue, 100);
    folder_write_bytes(folder, "minfree", "much\n", 5);
    assert_int_equal(queue_limits_load(&limits, &folder->control, &folder->error), CONTROL_ERROR);
    assert_non_null(strstr(folder->error.text, "minfree:1: expected a number of bytes"));
    assert_int_equal(limits.minfree, UINT64_C(1) << 30);
}

/* A queue with a count of MESSAGES, as the folder. */
static struct queue_count *make_count(struct folder *folder, int64_t messages)
{
    folder_write_bytes(folder, QUEUE_COUNT_FILE, (char const *)&messages, sizeof messages);
    struct queue_count *const count = queue_count_use(folder->control.directory);
    assert_non_null(count);
    return count;
}

static void places_come_and_go(void **state)
{
    struct folder *const folder = *state;
    struct queue_limits const limits = {.maxqueue = 32};
    struct queue_count *const count = make_count(folder, 0);
    struct queue_room room;
    queue_room_open(&room, folder->control.directory);
    assert_int_equal(queue_room_look(&room, &limits, 0), QUEUE_LACKS_NOTHING);
    queue_count_add(count, 31);
    assert_int_equal(queue_room_look(&room, &limits, 0), QUEUE_LACKS_NOTHING);
    queue_count_add(count, 1);
    assert_int_equal(queue_room_look(&room, &limits, 0), QUEUE_LACKS_PLACES);
    queue_count_add(count, -2); /* a sixteenth has to leave */
    assert_int_equal(queue_room_look(&room, &limits, 0), QUEUE_LACKS_PLACES);
    queue_count_add(count, -1);
    assert_int_equal(queue_room_look(&room, &limits, 0), QUEUE_LACKS_NOTHING);
    queue_count_add(count, -100); /* a count that lost some */
    assert_int_equal(queue_count_messages(room.count), 0);
    assert_int_equal(queue_room_look(&room, &limits, 0), QUEUE_LACKS_NOTHING);
}

static void bytes_are_those_of_the_disk(void **state)
{
    struct folder *const folder = *state;
    struct queue_room room;
    struct statvfs disk;
    make_count(folder, 0);
    assert_int_equal(fstatvfs(folder->control.directory, &disk), 0);
    uint64_t const free = (uint64_t)disk.f_bavail * disk.f_frsize;
    queue_room_open(&room, folder->control.directory);
    struct queue_limits const half = {.minfree = free / 2}, more = {.minfree = free * 2},
                              all = {.minfree = UINT64_MAX}, none = {.minfree = 0};
    assert_int_equal(queue_room_look(&room, &half, 0), QUEUE_LACKS_NOTHING);
    assert_int_equal(queue_room_look(&room, &half, free), QUEUE_LACKS_FOR_THIS);
    assert_int_equal(queue_room_look(&room, &half, UINT64_MAX), QUEUE_LACKS_FOR_THIS);
    assert_int_equal(queue_room_look(&room, &more, 0), QUEUE_LACKS_BYTES);
    assert_int_equal(queue_room_look(&room, &all, 0), QUEUE_LACKS_BYTES);
    assert_int_equal(queue_room_look(&room, &none, UINT64_MAX), QUEUE_LACKS_NOTHING);
}

static void without_a_count_there_is_room(void **state)
{
    struct folder *const folder = *state;
    struct queue_limits const limits = {.minfree = UINT64_MAX, .maxqueue = 1};
    struct queue_room room;
    queue_room_open(&room, folder->control.directory);
    assert_int_equal(queue_room_look(&room, &limits, 0), QUEUE_LACKS_NOTHING);
    assert_null(queue_count_use(folder->control.directory));
    queue_count_add(NULL, 1);
}

/* Where less is behind a map than is read, the reader would be killed. */
static void what_is_no_count_is_not_mapped(void **state)
{
    struct folder *const folder = *state;
    folder_write_bytes(folder, QUEUE_COUNT_FILE, "short", 5);
    assert_null(queue_count_use(folder->control.directory));
    assert_int_equal(errno, EINVAL);
    assert_int_equal(unlinkat(folder->control.directory, QUEUE_COUNT_FILE, 0), 0);
    assert_int_equal(symlinkat("/etc/passwd", folder->control.directory, QUEUE_COUNT_FILE), 0);
    assert_null(queue_count_use(folder->control.directory));
    assert_int_equal(unlinkat(folder->control.directory, QUEUE_COUNT_FILE, 0), 0);
    assert_int_equal(mkfifoat(folder->control.directory, QUEUE_COUNT_FILE, 0600), 0);
    assert_null(queue_count_use(folder->control.directory));
}

static void a_looker_cannot_change(void **state)
{
    struct folder *const folder = *state;
    struct queue_room room;
    int status;
    make_count(folder, 5);
    queue_room_open(&room, folder->control.directory);
    pid_t const child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        queue_count_add((struct queue_count *)(uintptr_t)room.count, 1);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(queue_count_messages(room.count), 5);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test_setup_teardown(settings, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(places_come_and_go, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(bytes_are_those_of_the_disk, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(without_a_count_there_is_room, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(what_is_no_count_is_not_mapped, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(a_looker_cannot_change, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
