/* When a message is tried again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue/send_schedule.h"
#include "queue/send_wheel.h"

#define WEEK UINT64_C(604800)
#define NOW  UINT64_C(1800000000)

static uint64_t delay_at(uint64_t age)
{
    return send_schedule_delay(NOW - age, NOW, 0, UINT64_MAX);
}

static void the_delays_are_qmails(void **state)
{
    (void)state;
    assert_int_equal(delay_at(0), 100);
    assert_int_equal(delay_at(100), 300);    /* 20^2 - 100 */
    assert_int_equal(delay_at(400), 500);    /* 30^2 - 400 */
    assert_int_equal(delay_at(10000), 2100); /* 110^2 - 10000 */
    assert_int_equal(delay_at(99), 20 * 9 + 100);
    assert_int_equal(delay_at(WEEK), 20 * 777 + 100);
}

static void jitter_adds_up_to_a_tenth(void **state)
{
    (void)state;
    for (uint32_t random = 0; random <= UINT16_MAX; random += 257) {
        uint64_t const delay = send_schedule_delay(NOW - 10000, NOW, (uint16_t)random, UINT64_MAX);
        assert_in_range(delay, 2100, 2310);
    }
    assert_int_equal(send_schedule_delay(NOW - 10000, NOW, UINT16_MAX, UINT64_MAX), 2309);
}

static void every_age_lies_within_bounds(void **state)
{
    (void)state;
    static uint64_t const ages[] = {0, 1, WEEK, UINT64_C(1) << 39, NOW};
    for (size_t i = 0; i < sizeof ages / sizeof *ages; i++)
        assert_in_range(send_schedule_delay(NOW > ages[i] ? NOW - ages[i] : 0, NOW, UINT16_MAX,
                                            SEND_WHEEL_LONGEST),
                        SEND_SCHEDULE_SHORTEST, SEND_WHEEL_LONGEST);
    assert_int_equal(send_schedule_delay(0, UINT64_MAX, UINT16_MAX, SEND_WHEEL_LONGEST),
                     SEND_WHEEL_LONGEST);
}

static void an_arrival_in_the_future_is_now(void **state)
{
    (void)state;
    assert_int_equal(send_schedule_delay(NOW + WEEK, NOW, 0, UINT64_MAX), 100);
    assert_int_equal(send_schedule_delay(UINT64_MAX, NOW, 0, UINT64_MAX), 100);
    assert_false(send_schedule_is_expired(NOW + WEEK, NOW, 0));
}

static void a_message_expires_after_its_lifetime(void **state)
{
    (void)state;
    assert_false(send_schedule_is_expired(NOW - WEEK, NOW, WEEK));
    assert_true(send_schedule_is_expired(NOW - WEEK - 1, NOW, WEEK));
    assert_false(send_schedule_is_expired(NOW, NOW, 0));
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(the_delays_are_qmails),
        cmocka_unit_test(jitter_adds_up_to_a_tenth),
        cmocka_unit_test(every_age_lies_within_bounds),
        cmocka_unit_test(an_arrival_in_the_future_is_now),
        cmocka_unit_test(a_message_expires_after_its_lifetime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
