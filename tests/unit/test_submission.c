#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/submission_reference.h"

#define MESSAGE_MAX 20000

static char result[MESSAGE_MAX + REFERENCE_MAX_MORE];
static size_t result_length;

static void put(void *context, char const *bytes, size_t length)
{
    (void)context;
    assert_true(length <= sizeof result - result_length);
    memcpy(result + result_length, bytes, length);
    result_length += length;
}

/* Lets TEXT pass in pieces of SIZE. */
static void pass(struct submission *submission, char const *text, size_t length, size_t size)
{
    result_length = 0;
    submission_start(submission, put, NULL, REFERENCE_DATE, REFERENCE_ID);
    for (size_t done = 0; done < length; done += size)
        submission_add(submission, text + done, length - done < size ? length - done : size);
    submission_end(submission);
    assert_true(submission_header_is_over(submission));
}

static char const *const messages[] = {
    "",
    "\n",
    "\n\n",
    "body\n",
    "Subject: x\n",
    "Subject: x\n\nbody\n",
    "Subject: x\nDate: y\nMessage-ID: z\n\nbody\n",
    "Date : y\nmessage-iD\t \t: z\n\nbody\n",
    "Date y\nMessage-ID: z\n\nbody\n",
    "Subject: x\n Date: y\n\tMessage-ID: z\n\nDate: no\n",
    " Date: y\n\nbody\n",
    "\tx\n",
    "Subject: x\n \n\t\nDate: y\n\nbody\n",
    "From: a\n b\n\tc\nFrom: d\nFROM: e\n\nFrom: f\n",
    "From:\n",
    "From : a\nTo: b\n c\n",
    "X-From: a\nFromX: b\nFro: c\n",
    "From: a\n>From b\nFrom: c\n",
    ": x\nDate: y\n",
    "a b: x\n",
    "Date:\nDate:\nDat\n",
    "\x80: x\n",
    "D\x7fte: x\n",
    "Date\n",
    "Dat e: x\n",
};

static void check(char const *text, size_t length)
{
    static char expected[MESSAGE_MAX + REFERENCE_MAX_MORE];
    struct submission submission;
    struct submission_reference found;
    size_t const expected_length = reference_complete(expected, &found, text, length);
    size_t const small = length < 64 ? length + 1 : 16;
    for (size_t size = 1; size <= small; size++) {
        pass(&submission, text, length, size);
        assert_int_equal(result_length, expected_length);
        assert_memory_equal(result, expected, expected_length);
        assert_int_equal(submission.from_count, found.from_count);
        assert_int_equal(submission.from_too_long, found.from_length > SUBMISSION_FROM_MAX);
        if (submission.from_too_long)
            continue;
        assert_int_equal(submission.from_length, found.from_length);
        if (found.from_length)
            assert_memory_equal(submission.from, found.from, found.from_length);
    }
}

static void test_messages(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
        check(messages[i], strlen(messages[i]));
}

static void test_names_at_their_limit(void **state)
{
    static char text[2 * SUBMISSION_NAME_MAX];
    (void)state;
    for (size_t length = SUBMISSION_NAME_MAX - 3; length <= SUBMISSION_NAME_MAX + 3; length++) {
        memset(text, 'x', length);
        memcpy(text + length, ": y\n\nz\n", 8);
        check(text, length + 7);
        memset(text + 1, ' ', length - 1);
        check(text, length + 7);
        memset(text, 'x', length);
        memcpy(text + length, "\n\nz\n", 5);
        check(text, length + 4);
    }
}

static void test_a_long_From(void **state)
{
    static char text[SUBMISSION_FROM_MAX + 32];
    (void)state;
    for (size_t length = SUBMISSION_FROM_MAX - 2; length <= SUBMISSION_FROM_MAX + 2; length++) {
        memcpy(text, "From:", 5);
        memset(text + 5, 'x', length - 1);
        memcpy(text + 5 + length - 1, "\nTo: x\n", 8);
        check(text, 5 + length - 1 + 7);
    }
}

int main(void)
{
    struct CMUnitTest const tests[] = {cmocka_unit_test(test_messages),
                                       cmocka_unit_test(test_names_at_their_limit),
                                       cmocka_unit_test(test_a_long_From)};
    return cmocka_run_group_tests_name("submission", tests, 0, 0);
}
