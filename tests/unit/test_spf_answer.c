/* spf/spf_answer.h: what a session reads from a process that it does not trust. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "spf/spf_answer.h"

#define BYTES(text) (text), sizeof(text) - 1

static void test_all_results_come_back(void **state)
{
    (void)state;
    for (int result = SPF_NONE; result <= SPF_PERMERROR; result++) {
        struct spf_answer answer = {.result = (enum spf_result)result,
                                    .explanation = "No.",
                                    .problem = "a problem",
                                    .trail = "TXT a.test; A b.test"};
        struct spf_answer again;
        char bytes[SPF_ANSWER_MAX];
        size_t const length = spf_answer_format(bytes, &answer);
        assert_true(spf_answer_parse(&again, bytes, length));
        assert_int_equal(again.result, result);
        assert_string_equal(again.explanation, "No.");
        assert_string_equal(again.problem, "a problem");
        assert_string_equal(again.trail, "TXT a.test; A b.test");
    }
}

static void test_longest(void **state)
{
    struct spf_answer answer = {.result = SPF_PERMERROR}, again;
    char bytes[SPF_ANSWER_MAX], text[3000];
    (void)state;
    memset(text, '\n', sizeof text);
    spf_answer_append(answer.explanation, sizeof answer.explanation, text, sizeof text);
    spf_answer_append(answer.problem, sizeof answer.problem, text, sizeof text);
    spf_answer_append(answer.trail, sizeof answer.trail, text, sizeof text);
    assert_int_equal(strspn(answer.trail, "?"), SPF_TRAIL_MAX);
    size_t const length = spf_answer_format(bytes, &answer);
    assert_true(length <= sizeof bytes);
    assert_true(spf_answer_parse(&again, bytes, length));
    assert_memory_equal(&answer, &again, sizeof again);
}

static void test_what_is_no_answer(void **state)
{
    static struct {
        char const *bytes;
        size_t length;
    } const bad[] = {
        {BYTES("")},
        {BYTES("pass")},
        {BYTES("pass\0")},
        {BYTES("pass\0\0\0")},
        {BYTES("pass\0\0\0x")},
        {BYTES("pass\0\0\0\0\0")},
        {BYTES("pass\0\0\0\0x")},
        {BYTES("Pass\0\0\0\0")},
        {BYTES("\0\0\0\0")},
        {BYTES("passpasspasspasspass\0\0\0\0")},
        {BYTES("fail\0a\nb\0\0\0")},
        {BYTES("fail\0\xff\0\0\0")},
        {BYTES("fail\0\0\x1b\0\0")},
        {BYTES("fail\0\0\0\x7f\0")},
    };
    struct spf_answer answer;
    char bytes[SPF_ANSWER_MAX + 1];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(spf_answer_parse(&answer, bad[i].bytes, bad[i].length));
    memset(bytes, 'x', sizeof bytes);
    memcpy(bytes, "fail", 5);
    memset(bytes + 5 + SPF_EXPLANATION_MAX + 1, 0, 3);
    assert_false(spf_answer_parse(&answer, bytes, 5 + SPF_EXPLANATION_MAX + 1 + 3));
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(test_all_results_come_back),
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_what_is_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
