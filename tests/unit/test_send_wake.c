/* The wake FIFO: ids come out, nonsense does not, and a FIFO that was nearly full is noticed. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "queue/send_wake.h"
#include "queue/wake.h"

static char folder[] = "/tmp/ekiden-wake-XXXXXX";
static struct send_wake wake;
static int queue, writer;

static int open_fifo(void **state)
{
    (void)state;
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6); /* once more for the next test */
    if (!mkdtemp(folder))
        return -1;
    queue = open(folder, O_RDONLY | O_DIRECTORY);
    if (mkfifoat(queue, "wake", 0600) != 0)
        return -1;
    writer = wake_open(queue);
    return writer >= 0 && send_wake_open(&wake, queue) ? 0 : -1;
}

static int close_fifo(void **state)
{
    (void)state;
    close(writer);
    close(wake.descriptor);
    unlinkat(queue, "wake", 0);
    close(queue);
    return rmdir(folder);
}

static void put(char const *bytes, size_t length)
{
    assert_int_equal(write(writer, bytes, length), (ssize_t)length);
}

static void ids_come_out_in_order(void **state)
{
    char ids[300][QUEUE_ID_LENGTH + 1], id[QUEUE_ID_LENGTH + 1];
    (void)state;
    for (unsigned int i = 0; i < 300; i++) {
        queue_file_name(ids[i]);
        wake_scheduler(writer, ids[i]);
    }
    for (unsigned int i = 0; i < 300; i++) {
        assert_true(send_wake_next(&wake, id));
        assert_string_equal(id, ids[i]);
    }
    assert_false(send_wake_next(&wake, id));
    assert_true(wake.dry);
    assert_false(wake.overflow);
}

/* Every kind of nonsense, in every position to the buffer's end. */
static void nonsense_is_skipped(void **state)
{
    static char const *const lines[] = {"",
                                        "short",
                                        "../../../etc/passwd/",
                                        "UPPERCASELETTERS1234",
                                        "0000000000000000000l",
                                        "000000000000000000000"};
    char name[QUEUE_ID_LENGTH + 1], id[QUEUE_ID_LENGTH + 1], line[64];
    (void)state;
    for (unsigned int round = 0; round < 500; round++) {
        char const *const nonsense = lines[round % (sizeof lines / sizeof *lines)];
        queue_file_name(name);
        snprintf(line, sizeof line, "%s\n", nonsense);
        put(line, strlen(line));
        wake_scheduler(writer, name);
        if (round % 7 == 0) {
            do
                assert_true(send_wake_next(&wake, id));
            while (strcmp(id, name));
        }
    }
}

static void a_long_line_is_skipped_whole(void **state)
{
    char name[QUEUE_ID_LENGTH + 1], id[QUEUE_ID_LENGTH + 1], line[SEND_WAKE_BUFFER * 2];
    (void)state;
    queue_file_name(name);
    memset(line, '0', sizeof line); /* its end alone looks like a name */
    put(line, sizeof line);
    put("\n", 1);
    wake_scheduler(writer, name);
    for (unsigned int i = 0; i < 10 && !send_wake_next(&wake, id); i++)
        assert_false(wake.dry);
    assert_string_equal(id, name);
    assert_false(send_wake_next(&wake, id));
}

static void a_full_fifo_is_noticed(void **state)
{
    char name[QUEUE_ID_LENGTH + 1], id[QUEUE_ID_LENGTH + 1];
    unsigned int count = 0;
    (void)state;
    queue_file_name(name);
    for (size_t written = 0; written < 2 * wake.capacity; written += sizeof name)
        wake_scheduler(writer, name); /* never waits */
    while (send_wake_next(&wake, id))
        count++;
    assert_true(count > wake.capacity / 2 / sizeof name);
    assert_true(wake.overflow);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(ids_come_out_in_order, open_fifo, close_fifo),
        cmocka_unit_test_setup_teardown(nonsense_is_skipped, open_fifo, close_fifo),
        cmocka_unit_test_setup_teardown(a_long_line_is_skipped_whole, open_fifo, close_fifo),
        cmocka_unit_test_setup_teardown(a_full_fifo_is_noticed, open_fifo, close_fifo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
