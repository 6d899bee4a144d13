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
        assert_true(budget_take(&budget, NOW, 10, 1));
    assert_false(budget_take(&budget, NOW, 10, 1));
    assert_int_equal(budget, NOW + BUDGET_HOUR);
    assert_false(budget_take(&budget, NOW + BUDGET_HOUR / 10 - 1, 10, 1));
    assert_true(budget_take(&budget, NOW + BUDGET_HOUR / 10, 10, 1));
    assert_true(budget_take(&budget, NOW + 3 * BUDGET_HOUR, 10, 10));
    assert_false(budget_take(&budget, NOW + 3 * BUDGET_HOUR, 10, 1));
}

static void test_bounds(void **state)
{
    uint64_t budget = 0;
    (void)state;
    assert_true(budget_take(&budget, NOW, 0, UINT64_MAX));
    assert_false(budget_take(&budget, NOW, 10, 11));
    assert_false(budget_take(&budget, NOW, UINT64_MAX, UINT64_MAX / 2));
    assert_int_equal(budget, 0);
}

/* A clock that was set back by more than an hour must not lock anybody out. */
static void test_clock_set_back(void **state)
{
    uint64_t budget = 0;
    (void)state;
    assert_true(budget_take(&budget, NOW, 10, 10));
    assert_true(budget_take(&budget, NOW - 2 * BUDGET_HOUR, 10, 10));
    assert_int_equal(budget, NOW - BUDGET_HOUR);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(test_an_hour),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_clock_set_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
