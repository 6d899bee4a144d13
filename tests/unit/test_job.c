/* deliver/job.h: what the scheduler and its agents say to each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "deliver/job.h"

/* Copies the bytes to memory of exactly their size, so that a sanitizer sees each byte too far. */
static bool parse_job(struct job *job, char const *bytes, size_t length)
{
    static char *copy;
    free(copy);
    copy = malloc(length ? length : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    return job_parse(job, copy, length);
}

static void a_job_survives_its_way(void **state)
{
    (void)state;
    struct job const job = {.number = UINT64_MAX,
                            .kind = JOB_MAILBOX,
                            .target = "example.org/ann",
                            .extension = "list",
                            .recipient = "ann-list@example.org",
                            .sender = "",
                            .offset = 113,
                            .length = INT64_MAX - 113,
                            .sum = 0x00ab,
                            .smtputf8 = true};
    static char const wire[] = "18446744073709551615\0m\0example.org/ann\0list\0"
                               "ann-list@example.org\0\0"
                               "113\0"
                               "9223372036854775694\0"
                               "00000000000000ab\0U";
    stralloc out = STRALLOC_ZERO;
    struct job parsed;
    assert_true(job_format(&out, &job));
    assert_int_equal(out.len, sizeof wire);
    assert_memory_equal(out.s, wire, sizeof wire);
    assert_true(parse_job(&parsed, out.s, out.len));
    assert_true(parsed.number == job.number && parsed.offset == job.offset &&
                parsed.length == job.length && parsed.sum == job.sum);
    assert_int_equal(parsed.kind, JOB_MAILBOX);
    assert_true(parsed.smtputf8 && !parsed.body_8bit);
    assert_string_equal(parsed.target, job.target);
    assert_string_equal(parsed.extension, "list");
    assert_string_equal(parsed.recipient, job.recipient);
    assert_string_equal(parsed.sender, "");
    /* Every part of it is refused, and so is anything after it. */
    for (size_t length = 0; length < out.len; length++)
        assert_false(parse_job(&parsed, out.s, length));
    assert_true(stralloc_0(&out));
    assert_false(parse_job(&parsed, out.s, out.len));
    stralloc_free(&out);
}

static void dsn_survives_its_way(void **state)
{
    (void)state;
    struct job const job = {.number = 1,
                            .kind = JOB_ALIAS,
                            .target = "t",
                            .extension = "",
                            .recipient = "r",
                            .sender = "s",
                            .dsn = {"id", DSN_RETURN_FULL},
                            .dsn_recipient = {DSN_SUCCESS | DSN_FAILURE, "rfc822;a@b"}};
    static char const wire[] = "1\0a\0t\0\0r\0s\0000\0000\0000000000000000000\0\0"
                               "Vid\0RF\0NSF\0Orfc822;a@b";
    stralloc out = STRALLOC_ZERO;
    struct job parsed;
    assert_true(job_format(&out, &job));
    assert_int_equal(out.len, sizeof wire);
    assert_memory_equal(out.s, wire, sizeof wire);
    assert_true(parse_job(&parsed, out.s, out.len));
    assert_string_equal(parsed.dsn.envid, "id");
    assert_int_equal(parsed.dsn.return_wish, DSN_RETURN_FULL);
    assert_int_equal(parsed.dsn_recipient.notify, DSN_SUCCESS | DSN_FAILURE);
    assert_string_equal(parsed.dsn_recipient.orcpt, "rfc822;a@b");
    assert_true(stralloc_0(&out));
    assert_false(parse_job(&parsed, out.s, out.len));
    out.s[out.len - 3] = '=';
    assert_false(parse_job(&parsed, out.s, out.len - 1));
    stralloc_free(&out);
}

#define SUM16 "0123456789abcdef"

static void malformed_jobs_are_refused(void **state)
{
    (void)state;
    static struct {
        char const *bytes;
        size_t length;
        uint64_t number;
    } const cases[] = {
#define CASE(text, number) {text, sizeof text, number}
        CASE("x\0m\0m\0e\0r\0s\0000\0000\0" SUM16 "\0", 0),
        CASE("-1\0m\0m\0e\0r\0s\0000\0000\0" SUM16 "\0", 0),
        CASE(" 1\0m\0m\0e\0r\0s\0000\0000\0" SUM16 "\0", 0),
        CASE("18446744073709551616\0m\0m\0e\0r\0s\0000\0000\0" SUM16 "\0", 0),
        CASE("\0m\0m\0e\0r\0s\0000\0000\0" SUM16 "\0", 0),
        CASE("7\0m\0\0e\0r\0s\0000\0000\0" SUM16 "\0", 7),
        CASE("7\0m\0m\0e\0\0s\0000\0000\0" SUM16 "\0", 7),
        CASE("7\0m\0m\nn\0e\0r\0s\0000\0000\0" SUM16 "\0", 7),
        CASE("7\0m\0m\0e\0r\nBcc: x\0s\0000\0000\0" SUM16 "\0", 7),
        CASE("7\0m\0m\0e\0r\0s\r\0000\0000\0" SUM16 "\0", 7),
        CASE("7\0m\0m\0e\0r\0s\x7f\0000\0000\0" SUM16 "\0", 7),
        CASE("7\0m\0m\0e\0r\0s\0001x\0000\0" SUM16 "\0", 7),
        CASE("7\0m\0m\0e\0r\0s\000+1\0000\0" SUM16 "\0", 7),
        CASE("7\0m\0m\0e\0r\0s\0000\0001e9\0" SUM16 "\0", 7),
        CASE("7\0m\0m\0e\0r\0s\0009223372036854775808\0000\0" SUM16 "\0", 7),
        CASE("7\0m\0m\0e\0r\0s\0001\0009223372036854775807\0" SUM16 "\0", 7),
        CASE("7\0m\0m\0e\0r\0s\0000\0000\000123456789abcdef\0", 7),
        CASE("7\0m\0m\0e\0r\0s\0000\0000\0g" SUM16 "\0", 7),
        CASE("7\0m\0m\0e\0r\0s\0000\0000\0000123456789abcdeg\0", 7),
        CASE("7\0m\0m\0e\0r\0s\0000\0000\0" SUM16 "\0\0more", 7),
        CASE("7\0x\0m\0e\0r\0s\0000\0000\0" SUM16 "\0", 7),
        CASE("7\0\0m\0e\0r\0s\0000\0000\0" SUM16 "\0", 7),
        CASE("7\0ma\0m\0e\0r\0s\0000\0000\0" SUM16 "\0", 7),
        CASE("7\0m\0m\0e\n\0r\0s\0000\0000\0" SUM16 "\0", 7),
        CASE("7\0a\0a\rb\0\0r\0s\0000\0000\0" SUM16 "\0", 7),
        CASE("7\0m\0m\0e\0r\0s\0000\0000\0" SUM16 "\0U8", 7),
        CASE("7\0m\0m\0e\0r\0s\0000\0000\0" SUM16 "\0x", 7),
#undef CASE
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct job job = {.number = 99};
        assert_false(parse_job(&job, cases[i].bytes, cases[i].length));
        assert_true(job.number == cases[i].number);
    }
}

static void lengths_of_strings_are_bounded(void **state)
{
    (void)state;
    static struct {
        size_t mailbox, recipient, sender;
        bool good;
    } const cases[] = {{JOB_MAILBOX_MAX, JOB_ADDRESS_MAX, JOB_ADDRESS_MAX, true},
                       {JOB_MAILBOX_MAX + 1, 1, 1, false},
                       {1, JOB_ADDRESS_MAX + 1, 1, false},
                       {1, 1, JOB_ADDRESS_MAX + 1, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char mailbox[JOB_MAILBOX_MAX + 2] = "", recipient[JOB_ADDRESS_MAX + 2] = "",
                                       sender[JOB_ADDRESS_MAX + 2] = "";
        memset(mailbox, 'm', cases[i].mailbox);
        memset(recipient, 'r', cases[i].recipient);
        memset(sender, 's', cases[i].sender);
        struct job const job = {.number = 1,
                                .kind = JOB_MAILBOX,
                                .target = mailbox,
                                .extension = "",
                                .recipient = recipient,
                                .sender = sender};
        stralloc out = STRALLOC_ZERO;
        struct job parsed;
        assert_true(job_format(&out, &job));
        assert_int_equal(parse_job(&parsed, out.s, out.len), cases[i].good);
        stralloc_free(&out);
    }
}

static void an_alias_has_lines(void **state)
{
    (void)state;
    struct job const job = {.number = 1,
                            .kind = JOB_ALIAS,
                            .target = "a@x\nb@y",
                            .extension = "",
                            .recipient = "r",
                            .sender = "s",
                            .body_8bit = true};
    stralloc out = STRALLOC_ZERO;
    struct job parsed;
    assert_true(job_format(&out, &job));
    assert_true(parse_job(&parsed, out.s, out.len));
    assert_string_equal(parsed.target, job.target);
    assert_true(parsed.body_8bit && !parsed.smtputf8);
    stralloc_free(&out);
}

static void an_answer_survives_its_way(void **state)
{
    (void)state;
    static enum job_result const results[] = {JOB_DELIVERED, JOB_DEFERRED, JOB_FAILED, JOB_CORRUPT,
                                              JOB_UNREACHABLE};
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        struct job_answer const answer = {12, results[i], "4.2.2 the disk is full"};
        struct job_answer parsed;
        stralloc out = STRALLOC_ZERO;
        assert_true(job_answer_format(&out, &answer));
        assert_true(job_answer_parse(&parsed, out.s, out.len));
        assert_true(parsed.number == 12 && parsed.result == results[i]);
        assert_string_equal(parsed.text, answer.text);
        for (size_t length = 0; length < out.len; length++)
            assert_false(job_answer_parse(&parsed, out.s, length));
        stralloc_free(&out);
    }
}

static void malformed_answers_are_refused(void **state)
{
    (void)state;
    struct job_answer answer;
    char long_text[JOB_TEXT_MAX + 8] = "1\0K";
    memset(long_text + 4, 'x', JOB_TEXT_MAX + 1);
    assert_false(job_answer_parse(&answer, long_text, 4 + JOB_TEXT_MAX + 2));
    assert_true(job_answer_parse(&answer, long_text + 0, 4) == false);
    assert_false(job_answer_parse(&answer, "1\0X\0text", 9));
    assert_false(job_answer_parse(&answer, "1\0\0text", 8));
    assert_false(job_answer_parse(&answer, "1\0KK\0text", 10));
    assert_false(job_answer_parse(&answer, "\0K\0text", 8));
    assert_false(job_answer_parse(&answer, "1\0K\0te\nxt", 10));
    assert_false(job_answer_parse(&answer, "1\0K\0text\0", 10));
    assert_true(job_answer_parse(&answer, "1\0K\0text", 9));
}

static void answer_texts_are_cut_and_cleaned(void **state)
{
    (void)state;
    for (size_t before = JOB_TEXT_MAX - 4; before <= JOB_TEXT_MAX; before++) {
        char text[2 * JOB_TEXT_MAX] = "";
        struct job_answer answer = {1, JOB_DEFERRED, text}, parsed;
        stralloc out = STRALLOC_ZERO;
        memset(text, 'a', before);
        text[0] = '\n';
        memcpy(text + before, "\xe9\xa7\x85 and more", 12); /* 駅 */
        assert_true(job_answer_format(&out, &answer));
        assert_true(job_answer_parse(&parsed, out.s, out.len));
        size_t const whole = before + 3 <= JOB_TEXT_MAX ? JOB_TEXT_MAX : before;
        assert_int_equal(strlen(parsed.text), whole);
        assert_int_equal(parsed.text[0], '?');
        assert_memory_equal(parsed.text + 1, text + 1, whole - 1);
        stralloc_free(&out);
    }
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(a_job_survives_its_way),
        cmocka_unit_test(dsn_survives_its_way),
        cmocka_unit_test(malformed_jobs_are_refused),
        cmocka_unit_test(lengths_of_strings_are_bounded),
        cmocka_unit_test(an_alias_has_lines),
        cmocka_unit_test(an_answer_survives_its_way),
        cmocka_unit_test(malformed_answers_are_refused),
        cmocka_unit_test(answer_texts_are_cut_and_cleaned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
