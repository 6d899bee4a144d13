/* The remote recipients of a message by destination. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "queue/send_window.h"

static struct send_window window;

static int start(void **state)
{
    (void)state;
    window = (struct send_window){.entries = NULL};
    return 0;
}

static int end(void **state)
{
    (void)state;
    send_window_free(&window);
    return 0;
}

/* Recipients FROM to TO, of DESTINATIONS destinations in turn. */
static void fill(uint32_t from, uint32_t to, uint64_t destinations)
{
    send_window_open(&window);
    for (uint32_t i = from; i < to; i++)
        send_window_add(&window, i % destinations, i);
    send_window_close(&window);
}

static uint32_t group_of(uint64_t destination)
{
    uint32_t group = 0;
    while (group < window.group_count && window.groups[group].destination != destination)
        group++;
    return group;
}

static void recipients_are_grouped_in_their_order(void **state)
{
    (void)state;
    assert_true(send_window_reserve(&window, 1000));
    assert_int_equal(send_window_room(&window), 1000);
    fill(0, 1000, 50);
    assert_int_equal(send_window_room(&window), 0);
    assert_int_equal(window.group_count, 50);
    for (uint32_t destination = 0; destination < 50; destination++) {
        uint32_t const group = group_of(destination);
        for (uint32_t i = 0; i < 20; i++) {
            assert_int_equal(send_window_first(&window, group), destination + 50 * i);
            assert_int_equal(send_window_take(&window, group), i < 19);
        }
    }
    assert_int_equal(window.group_count, 0);
    assert_int_equal(send_window_room(&window), 1000);
}

/* What could not be handed out stays, and what follows comes in. */
static void it_is_filled_again(void **state)
{
    bool seen[300] = {false};
    (void)state;
    assert_true(send_window_reserve(&window, 100));
    fill(0, 100, 4);
    for (uint32_t destination = 0; destination < 4; destination += 2) {
        while (send_window_take(&window, group_of(destination)))
            ;
    }
    uint32_t const other = group_of(1);
    send_window_take(&window, other); /* recipient 1 */
    fill(100, 151, 4);
    assert_int_equal(send_window_room(&window), 0);
    while (window.group_count) {
        uint32_t const recipient = send_window_first(&window, 0);
        assert_int_equal(window.groups[0].destination, recipient % 4);
        assert_false(seen[recipient]);
        seen[recipient] = true;
        send_window_take(&window, 0);
    }
    for (uint32_t i = 0; i < 151; i++)
        assert_int_equal(seen[i], i >= 100 || (i % 2 == 1 && i != 1));
}

static void dropped_recipients_are_looked_at_again(void **state)
{
    (void)state;
    assert_true(send_window_reserve(&window, 10));
    assert_int_equal(send_window_drop(&window, 7), 7);
    fill(20, 30, 3);
    send_window_take(&window, group_of(20 % 3));
    assert_int_equal(send_window_drop(&window, 30), 21);
    assert_int_equal(window.group_count, 0);
    assert_int_equal(send_window_room(&window), 10);
}

static void it_is_bounded(void **state)
{
    (void)state;
    assert_true(send_window_reserve(&window, 0));
    assert_int_equal(send_window_room(&window), 0);
    send_window_open(&window);
    send_window_close(&window);
    assert_int_equal(window.group_count, 0);
    assert_true(send_window_reserve(&window, 1000000));
    assert_int_equal(send_window_room(&window), SEND_WINDOW_MAX);
    assert_true(send_window_reserve(&window, 5)); /* nothing is made anew */
    assert_int_equal(send_window_room(&window), SEND_WINDOW_MAX);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(recipients_are_grouped_in_their_order, start, end),
        cmocka_unit_test_setup_teardown(it_is_filled_again, start, end),
        cmocka_unit_test_setup_teardown(dropped_recipients_are_looked_at_again, start, end),
        cmocka_unit_test_setup_teardown(it_is_bounded, start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
