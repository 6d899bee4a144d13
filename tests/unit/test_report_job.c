/* queue/report_job.h: what the scheduler asks of ekiden-bounce. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "queue/report_job.h"

#define ID "0123456789abcdefghjk"

/* Copies the bytes to memory of exactly their size, so that a sanitizer sees each byte too far. */
static bool parse(struct report_job *job, char const *bytes, size_t length)
{
    char *const copy = malloc(length ? length : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    bool const good = report_job_parse(job, copy, length);
    free(copy);
    return good;
}

static void a_job_survives_its_way(void **state)
{
    (void)state;
    static struct {
        struct report_job job;
        char const *wire;
        size_t length;
    } const cases[] = {
        {{UINT64_MAX, REPORT_FAILURE, ID},
         "18446744073709551615\0failure\0" ID,
         sizeof "18446744073709551615\0failure\0" ID},
        {{0, REPORT_DELAY, ID}, "0\0delay\0" ID, sizeof "0\0delay\0" ID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        stralloc out = STRALLOC_ZERO;
        struct report_job parsed;
        assert_true(report_job_format(&out, &cases[i].job));
        assert_int_equal(out.len, cases[i].length);
        assert_memory_equal(out.s, cases[i].wire, out.len);
        assert_true(parse(&parsed, out.s, out.len));
        assert_true(parsed.number == cases[i].job.number);
        assert_int_equal(parsed.kind, cases[i].job.kind);
        assert_string_equal(parsed.id, ID);
        /* Every part of it is refused, and so is anything after it. */
        for (size_t length = 0; length < out.len; length++)
            assert_false(parse(&parsed, out.s, length));
        assert_true(stralloc_0(&out));
        assert_false(parse(&parsed, out.s, out.len));
        stralloc_free(&out);
    }
}

static void malformed_jobs_are_refused(void **state)
{
    (void)state;
    static struct {
        char const *bytes;
        size_t length;
        uint64_t number;
    } const cases[] = {
#define CASE(text, number) {text, sizeof text, number}
        CASE("x\0failure\0" ID, 0),
        CASE("-1\0failure\0" ID, 0),
        CASE("18446744073709551616\0failure\0" ID, 0),
        CASE("7\0Failure\0" ID, 7),
        CASE("7\0\0" ID, 7),
        CASE("7\0failure\0", 7),
        CASE("7\0failure\0../0123456789abcdefg", 7),
        CASE("7\0failure\0" ID "0", 7),
        CASE("7\0failure\0" ID "\0more", 7),
#undef CASE
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct report_job job = {.number = 99};
        assert_false(parse(&job, cases[i].bytes, cases[i].length));
        assert_true(job.number == cases[i].number);
    }
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(a_job_survives_its_way),
        cmocka_unit_test(malformed_jobs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
