#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/budget.h"

#define NOW UINT64_C(1800000000000000)

static void test_an_hour(void **state)
{
    uint64_t budget = 0;
    (void)state;
    for (unsigned int i = 0; i < 10; i++)
        assert_true(budget_take(&budget, NOW, BUDGET_HOUR, 10, 1));
    assert_false(budget_take(&budget, NOW, BUDGET_HOUR, 10, 1));
    assert_int_equal(budget, NOW + BUDGET_HOUR);
    assert_false(budget_take(&budget, NOW + BUDGET_HOUR / 10 - 1, BUDGET_HOUR, 10, 1));
    assert_true(budget_take(&budget, NOW + BUDGET_HOUR / 10, BUDGET_HOUR, 10, 1));
    assert_true(budget_take(&budget, NOW + 3 * BUDGET_HOUR, BUDGET_HOUR, 10, 10));
    assert_false(budget_take(&budget, NOW + 3 * BUDGET_HOUR, BUDGET_HOUR, 10, 1));
}

static void test_bounds(void **state)
{
    uint64_t budget = 0;
    (void)state;
    assert_true(budget_take(&budget, NOW, BUDGET_HOUR, 0, UINT64_MAX));
    assert_false(budget_take(&budget, NOW, BUDGET_HOUR, 10, 11));
    assert_false(budget_take(&budget, NOW, BUDGET_HOUR, UINT64_MAX, UINT64_MAX / 2));
    assert_int_equal(budget, 0);
}

/* A clock that was set back by more than an hour must not lock anybody out. */
static void test_clock_set_back(void **state)
{
    uint64_t budget = 0;
    (void)state;
    assert_true(budget_take(&budget, NOW, BUDGET_HOUR, 10, 10));
    assert_true(budget_take(&budget, NOW - 2 * BUDGET_HOUR, BUDGET_HOUR, 10, 10));
    assert_int_equal(budget, NOW - BUDGET_HOUR);
}

/* What is left is what can be taken. */
static void test_left(void **state)
{
    uint64_t const period = 60000000;
    (void)state;
    for (uint64_t whole = 1; whole < 40; whole += 3)
        for (uint64_t taken = 0; taken <= whole; taken++) {
            uint64_t budget = 0;
            assert_true(budget_take(&budget, NOW, period, whole, taken));
            uint64_t const left = budget_left(budget, NOW + 5, period, whole);
            assert_int_equal(left, whole - taken);
            assert_false(budget_take(&budget, NOW + 5, period, whole, left + 1));
            uint64_t const wait = budget_wait(budget, NOW + 5, period, whole, left + 1);
            assert_true(left == whole ? wait == UINT64_MAX : wait > 0);
            if (left < whole) {
                assert_int_equal(budget_wait(budget, NOW + 5 + wait - 1, period, whole, left + 1),
                                 1);
                assert_int_equal(budget_wait(budget, NOW + 5 + wait, period, whole, left + 1), 0);
            }
            assert_int_equal(budget_wait(budget, NOW + 5, period, whole, left), 0);
            assert_true(budget_take(&budget, NOW + 5, period, whole, left));
        }
    assert_int_equal(budget_left(NOW, NOW, period, 0), UINT64_MAX);
    assert_int_equal(budget_left(NOW + 2 * period, NOW, period, 7), 7);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(test_an_hour),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_left),
        cmocka_unit_test(test_clock_set_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
