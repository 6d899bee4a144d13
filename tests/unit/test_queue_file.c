/* Queue files: what is written can be read, and whatever is damaged is told from what is
 * unfinished. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "queue/queue_file.h"

static char const envelope[] =
    "Fsender@a.test\0Tone@b.test\0Ttwo@b.test\0"; /* and its closing NUL */
static char const message[] = "Subject: x\n\nbody\n";

static int folder;
static struct queue_file file;

static int open_folder(void **state)
{
    char path[] = "/tmp/ekiden-unit-XXXXXX";
    if (!mkdtemp(path))
        return -1;
    *state = strdup(path);
    folder = open(path, O_RDONLY | O_DIRECTORY);
    return folder < 0 ? -1 : 0;
}

static int close_folder(void **state)
{
    close(folder);
    rmdir(*state);
    free(*state);
    return 0;
}

static void write_message(void)
{
    char id[QUEUE_ID_LENGTH + 1];
    queue_file_name(id);
    assert_int_equal(queue_file_create(&file, folder, id, QUEUE_8BIT), QUEUE_OK);
    /* in pieces that cut records */
    assert_int_equal(queue_file_envelope(&file, envelope, 9), QUEUE_OK);
    assert_int_equal(queue_file_envelope(&file, envelope + 9, sizeof envelope - 9), QUEUE_OK);
    assert_int_equal(queue_file_message(&file, message, 5), QUEUE_OK);
    assert_int_equal(queue_file_message(&file, message + 5, sizeof message - 1 - 5), QUEUE_OK);
}

static int reopen(void)
{
    int const descriptor = openat(folder, file.id, O_RDWR);
    assert_true(descriptor >= 0);
    return descriptor;
}

static void a_committed_file_reads_back(void **state)
{
    struct queue_message read_back;
    (void)state;
    write_message();
    assert_int_equal(queue_file_commit(&file), QUEUE_OK);
    int const descriptor = reopen();
    assert_int_equal(queue_file_read(descriptor, &read_back), QUEUE_READ_OK);
    assert_string_equal(read_back.sender, "sender@a.test");
    assert_int_equal(read_back.recipient_count, 2);
    assert_string_equal(read_back.recipients[1].address, "two@b.test");
    assert_int_equal(read_back.recipients[0].mark, ENVELOPE_TODO);
    assert_true(read_back.body_8bit);
    assert_false(read_back.smtputf8);
    assert_false(read_back.forwarded);
    assert_int_equal(read_back.message_length, sizeof message - 1);
    char body[sizeof message];
    assert_int_equal(pread(descriptor, body, sizeof body, (off_t)read_back.message_offset) >=
                         (ssize_t)sizeof message - 1,
                     1);
    assert_memory_equal(body, message, sizeof message - 1);
    queue_message_free(&read_back);
    close(descriptor);
    unlinkat(folder, file.id, 0);
}

static void marks_survive_and_do_not_break_the_checksum(void **state)
{
    struct queue_message read_back;
    (void)state;
    write_message();
    assert_int_equal(queue_file_commit(&file), QUEUE_OK);
    int const descriptor = reopen();
    assert_int_equal(queue_file_read(descriptor, &read_back), QUEUE_READ_OK);
    char const done = ENVELOPE_DONE;
    assert_int_equal(pwrite(descriptor, &done, 1, (off_t)read_back.recipients[0].mark_offset), 1);
    queue_message_free(&read_back);
    assert_int_equal(queue_file_read(descriptor, &read_back), QUEUE_READ_OK);
    assert_int_equal(read_back.recipients[0].mark, ENVELOPE_DONE);
    assert_int_equal(read_back.recipients[1].mark, ENVELOPE_TODO);
    queue_message_free(&read_back);
    close(descriptor);
    unlinkat(folder, file.id, 0);
}

static void what_dsn_asks_for_reads_back(void **state)
{
    static char const asking[] = "Fa@b.test\0Vid+2B\0RH\0Tone@b.test\0NSD\0"
                                 "Ttwo@b.test\0NN\0Orfc822;Two@c.test\0Tthree@b.test\0";
    struct queue_message read_back;
    char id[QUEUE_ID_LENGTH + 1];
    (void)state;
    queue_file_name(id);
    assert_int_equal(queue_file_create(&file, folder, id, 0), QUEUE_OK);
    assert_int_equal(queue_file_envelope(&file, asking, sizeof asking), QUEUE_OK);
    assert_int_equal(queue_file_commit(&file), QUEUE_OK);
    int const descriptor = reopen();
    for (int settled = 0; settled < 2; settled++) {
        assert_int_equal(queue_file_read(descriptor, &read_back), QUEUE_READ_OK);
        struct queue_recipient const *const recipients = read_back.recipients;
        assert_string_equal(read_back.envid, "id+2B");
        assert_int_equal(read_back.return_wish, DSN_RETURN_HEADERS);
        assert_int_equal(read_back.recipient_count, 3);
        assert_int_equal(recipients[0].mark, settled ? ENVELOPE_DELIVERED : ENVELOPE_TODO);
        assert_int_equal(recipients[0].notify, DSN_SUCCESS | DSN_DELAY);
        assert_null(queue_recipient_orcpt(recipients + 0));
        assert_int_equal(recipients[1].notify, DSN_NEVER);
        assert_string_equal(queue_recipient_orcpt(recipients + 1), "rfc822;Two@c.test");
        assert_string_equal(recipients[2].address, "three@b.test");
        assert_int_equal(recipients[2].notify, 0);
        assert_null(queue_recipient_orcpt(recipients + 2));
        char const mark = ENVELOPE_DELIVERED;
        assert_int_equal(pwrite(descriptor, &mark, 1, (off_t)recipients[0].mark_offset), 1);
        queue_message_free(&read_back);
    }
    close(descriptor);
    unlinkat(folder, file.id, 0);
}

static void a_file_being_written_is_left_alone(void **state)
{
    struct queue_message read_back;
    (void)state;
    write_message();
    int const descriptor = reopen();
    assert_int_equal(queue_file_read(descriptor, &read_back), QUEUE_READ_LOCKED);
    queue_file_abort(&file);
    close(descriptor);
    assert_int_equal(faccessat(folder, file.id, F_OK, 0), -1);
}

static void an_envelope_without_its_end_is_refused(void **state)
{
    char id[QUEUE_ID_LENGTH + 1];
    (void)state;
    queue_file_name(id);
    assert_int_equal(queue_file_create(&file, folder, id, 0), QUEUE_OK);
    assert_int_equal(queue_file_envelope(&file, envelope, sizeof envelope - 1), QUEUE_OK);
    assert_int_equal(queue_file_message(&file, message, 3), QUEUE_ENVELOPE);
    assert_int_equal(queue_file_commit(&file), QUEUE_ENVELOPE);
    assert_int_equal(faccessat(folder, id, F_OK, 0), -1);
}

/* Reads a copy of the committed file that was cut to LENGTH or, with CHANGED < length, has one byte
 * flipped by FLIP. */
static enum queue_read read_damaged(char const *bytes, size_t length, size_t changed, char flip)
{
    struct queue_message read_back;
    int const copy = openat(folder, ".", O_TMPFILE | O_RDWR, 0600);
    assert_true(copy >= 0);
    assert_int_equal(write(copy, bytes, length), (ssize_t)length);
    if (changed < length) {
        char const other = (char)(bytes[changed] ^ flip);
        assert_int_equal(pwrite(copy, &other, 1, (off_t)changed), 1);
    }
    enum queue_read const result = queue_file_read(copy, &read_back);
    queue_message_free(&read_back);
    close(copy);
    return result;
}

static void every_damage_is_noticed(void **state)
{
    char bytes[1024];
    (void)state;
    write_message();
    assert_int_equal(queue_file_commit(&file), QUEUE_OK);
    int const descriptor = reopen();
    ssize_t const size = read(descriptor, bytes, sizeof bytes);
    close(descriptor);
    unlinkat(folder, file.id, 0);
    size_t const length = (size_t)size, body_end = length - QUEUE_END_SIZE;
    size_t const body = body_end - (sizeof message - 1);
    assert_int_equal(read_damaged(bytes, length, length, 0), QUEUE_READ_OK);
    static char const flips[] = {1, 4, 16, 32, 127, (char)0x80, (char)0xff};
    for (size_t at = 0; at < length; at++)
        for (size_t i = 0; i < sizeof flips; i++) {
            enum queue_read const result = read_damaged(bytes, length, at, flips[i]);
            bool const in_sum = at >= length - 17 && at < length - 1;
            if (at >= body && at < body_end) /* who copies the message checks its sum */
                assert_int_equal(result, QUEUE_READ_OK);
            else if (in_sum) /* the same, or no longer a number */
                assert_int_not_equal(result, QUEUE_READ_INCOMPLETE);
            else if (!(flips[i] == 127 && bytes[at] == 'T')) /* T ^ 127 is the mark + */
                assert_int_equal(result, QUEUE_READ_CORRUPT);
        }
    for (size_t cut = 0; cut < length; cut++)
        assert_int_not_equal(read_damaged(bytes, cut, cut, 0), QUEUE_READ_OK);
    /* cut inside the end record it was finished once: not garbage, but damaged */
    assert_int_equal(read_damaged(bytes, length - 1, length, 0), QUEUE_READ_CORRUPT);
    assert_int_equal(read_damaged(bytes, length - 30, length, 0), QUEUE_READ_CORRUPT);
    assert_int_equal(read_damaged(bytes, body_end, length, 0), QUEUE_READ_INCOMPLETE);
}

static void a_large_message_keeps_its_checksum(void **state)
{
    static char block[100000];
    struct queue_message read_back;
    struct checksum sum;
    char id[QUEUE_ID_LENGTH + 1];
    (void)state;
    queue_file_name(id);
    checksum_start(&sum);
    assert_int_equal(queue_file_create(&file, folder, id, QUEUE_UTF8 | QUEUE_FORWARDED), QUEUE_OK);
    assert_int_equal(queue_file_envelope(&file, envelope, sizeof envelope), QUEUE_OK);
    for (int i = 0; i < 20; i++) {
        memset(block, 'a' + i, sizeof block);
        size_t const length = sizeof block - (size_t)i * 777;
        checksum_add(&sum, block, length);
        assert_int_equal(queue_file_message(&file, block, length), QUEUE_OK);
    }
    assert_int_equal(queue_file_commit(&file), QUEUE_OK);
    int const descriptor = reopen();
    assert_int_equal(queue_file_read(descriptor, &read_back), QUEUE_READ_OK);
    assert_true(read_back.smtputf8);
    assert_true(read_back.forwarded);
    assert_true(read_back.message_sum == checksum_end(&sum));
    queue_message_free(&read_back);
    close(descriptor);
    unlinkat(folder, id, 0);
}

static void names_are_names(void **state)
{
    char one[QUEUE_ID_LENGTH + 1], two[QUEUE_ID_LENGTH + 1];
    (void)state;
    queue_file_name(one);
    queue_file_name(two);
    assert_true(queue_file_is_name(one));
    assert_string_not_equal(one, two);
    assert_true(strncmp(one, two, 11) <= 0);
    assert_false(queue_file_is_name(""));
    assert_false(queue_file_is_name("../../../../etc/pass"));
    assert_false(queue_file_is_name("0123456789012345678"));
    assert_false(queue_file_is_name("012345678901234567890"));
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(a_committed_file_reads_back),
        cmocka_unit_test(marks_survive_and_do_not_break_the_checksum),
        cmocka_unit_test(what_dsn_asks_for_reads_back),
        cmocka_unit_test(a_file_being_written_is_left_alone),
        cmocka_unit_test(an_envelope_without_its_end_is_refused),
        cmocka_unit_test(every_damage_is_noticed),
        cmocka_unit_test(a_large_message_keeps_its_checksum),
        cmocka_unit_test(names_are_names),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
