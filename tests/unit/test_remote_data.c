/* deliver/remote_data.h and remote_scan.h against a plain reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "deliver/remote_data.h"
#include "deliver/remote_scan.h"
#include "lib/checksum.h"
#include "remote_data_reference.h"

static size_t encode(char const *bytes, size_t length, size_t piece, enum remote_data_form form,
                     char *out)
{
    struct remote_data data;
    size_t used = 0;
    remote_data_start(&data, form);
    for (size_t done = 0; done < length;) {
        size_t const now = length - done < piece ? length - done : piece;
        size_t const made = remote_data_encode(&data, bytes + done, now, out + used);
        assert_true(made <= 2 * now);
        used += made;
        done += now;
    }
    return used + remote_data_end(&data, out + used);
}

static void expect(char const *bytes, size_t length)
{
    char lines[64], expected[64], out[64];
    size_t const pieces[] = {1, 2, 3, 5, 64};
    size_t const lines_length = reference_lines(bytes, length, lines);
    size_t const expected_length = reference_stuff(lines, lines_length, expected);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        size_t used = encode(bytes, length, pieces[i], REMOTE_DATA_DOTTED, out);
        assert_int_equal(used, expected_length);
        assert_memory_equal(out, expected, used);
        used = encode(bytes, length, pieces[i], REMOTE_DATA_CHUNKS, out);
        assert_int_equal(used, lines_length);
        assert_memory_equal(out, lines, used);
    }
}

/* Every string of up to 8 of the bytes that matter. */
static void every_short_string(void **state)
{
    static char const alphabet[] = {'\r', '\n', '.', 'x'};
    (void)state;
    for (size_t length = 0, count = 1; length <= 8; length++, count *= sizeof alphabet)
        for (size_t number = 0; number < count; number++) {
            char bytes[8];
            size_t rest = number;
            for (size_t i = 0; i < length; i++, rest /= sizeof alphabet)
                bytes[i] = alphabet[rest % sizeof alphabet];
            expect(bytes, length);
        }
}

static void known_forms(void **state)
{
    (void)state;
    static struct {
        char const *bytes, *wire;
    } const cases[] = {
        {"", ".\r\n"},
        {"a", "a\r\n.\r\n"},
        {"a\n.\n", "a\r\n..\r\n.\r\n"},
        {"a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"},
        {"a\r\r\nb\n\r", "a\r\n\r\nb\r\n\r\n.\r\n"},
        {".a\n..b\n", "..a\r\n...b\r\n.\r\n"},
        {"a\xff\n", "a\xff\r\n.\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[64];
        size_t const used =
            encode(cases[i].bytes, strlen(cases[i].bytes), 64, REMOTE_DATA_DOTTED, out);
        assert_int_equal(used, strlen(cases[i].wire));
        assert_memory_equal(out, cases[i].wire, used);
    }
}

static int file_of(char const *bytes, size_t length)
{
    int const descriptor = memfd_create("message", MFD_CLOEXEC);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, "before", 6), 6);
    assert_int_equal(write(descriptor, bytes, length), length);
    assert_int_equal(write(descriptor, "\xff", 1), 1);
    return descriptor;
}

static struct remote_message message_of(char const *bytes, size_t length)
{
    struct checksum sum;
    checksum_start(&sum);
    checksum_add(&sum, bytes, length);
    return (struct remote_message){.descriptor = file_of(bytes, length),
                                   .offset = 6,
                                   .length = length,
                                   .sum = checksum_end(&sum)};
}

static void scan_finds_what_is_there(void **state)
{
    (void)state;
    static struct {
        char const *bytes;
        bool header, body;
        uint64_t wire_length;
    } const cases[] = {
        {"", false, false, 0},
        {"a", false, false, 3},
        {"A: b\n\nc\n", false, false, 11},
        {"A: b\r\n\r\nc\r\n", false, false, 11},
        {"A: b\r\rc\r", false, false, 11},
        {"A: b\n\n.c", false, false, 12},
        {"A: \x80\n\nc\n", true, false, 11},
        {"A: b\n\n\xff\n", false, true, 11},
        {"A: b\r\r\xff\n", false, true, 11},
        {"A: b\r\n\xff\r\n", true, false, 9},
        {"\n\xff", false, true, 5},
        {"\xff\n\n\xff", true, true, 8},
        {"A: b\n \n\xff", true, false, 12},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct remote_message message = message_of(cases[i].bytes, strlen(cases[i].bytes));
        message.body_8bit = true; /* what was declared does not count */
        assert_int_equal(remote_scan_message(&message), REMOTE_SCAN_OK);
        assert_int_equal(message.header_8bit, cases[i].header);
        assert_int_equal(message.body_8bit, cases[i].body);
        assert_int_equal(message.wire_length, cases[i].wire_length);
        close(message.descriptor);
    }
}

static void scan_of_a_long_message(void **state)
{
    (void)state;
    size_t const length = 1000003;
    char *const bytes = malloc(length), *const lines = malloc(2 * length + 2);
    assert_true(bytes && lines);
    unsigned int random = 1;
    for (size_t i = 0; i < length; i++) {
        random = random * 1103515245 + 12345;
        bytes[i] = "\r\n.xxxxx"[random >> 16 & 7];
    }
    struct remote_message message = message_of(bytes, length);
    assert_int_equal(remote_scan_message(&message), REMOTE_SCAN_OK);
    assert_int_equal(message.wire_length, reference_lines(bytes, length, lines));
    close(message.descriptor);
    free(bytes);
    free(lines);
}

static void scan_trusts_nobody(void **state)
{
    (void)state;
    struct remote_message message = message_of("A: b\n\nc\n", 8);
    message.sum++;
    assert_int_equal(remote_scan_message(&message), REMOTE_SCAN_CORRUPT);
    message.sum--;
    message.length = 100;
    assert_int_equal(remote_scan_message(&message), REMOTE_SCAN_CORRUPT);
    close(message.descriptor);
    message.length = 8;
    message.descriptor = -1;
    assert_int_equal(remote_scan_message(&message), REMOTE_SCAN_ERROR);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(every_short_string),       cmocka_unit_test(known_forms),
        cmocka_unit_test(scan_finds_what_is_there), cmocka_unit_test(scan_of_a_long_message),
        cmocka_unit_test(scan_trusts_nobody),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
