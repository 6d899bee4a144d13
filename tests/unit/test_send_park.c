/* queue/send_park.h: when the scheduler wakes up for a rate, counted from the moment at which it
 * handed out places, with a clock of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "queue/send_park.h"
#include "queue/send_place.h"
#include "queue/send_waiting.h"

#define HOST   1
#define A_TURN 1000 /* milliseconds, at 60 a minute */

static struct send send;
static uint64_t now;

/* A destination that may be given one message a second, and has just got one. */
static struct send_destination *start(void)
{
    struct smtproute_host const host = {.name = "host.test", .port = 25};
    struct send_limits const limits = {.rate = 60};
    memset(&send, 0, sizeof send);
    send.settings.remote = 40;
    now = 1000000;
    send_active_start(&send.active);
    send_destinations_start(&send.destinations);
    send_backlog_start(&send.backlog, send.active.in_slot, send.source.wheel.again);
    struct send_destination *const destination =
        send_destinations_find(&send.destinations, HOST, now);
    send_destination_set(destination, 1, &host, &limits, SEND_DESTINATION_START);
    send_destination_begin(&send.destinations, destination->lines, now);
    return destination;
}

/* What the loop does in one turn before it asks how long to wait: the places are handed out, which
 * nobody can have yet. */
static void hand_out(void)
{
    send.dispatched_at = now;
    assert_null(send_park_call(&send, now));
}

/* Time goes by between the two looks, and the rate's moment with it: what else would the scheduler
 * wake up for? The next slot of the wheel, up to 64 seconds later. */
static void it_waits_no_longer_than_the_rate(void)
{
    hand_out();
    assert_int_equal(send_park_time(&send, now), A_TURN);
    assert_int_equal(send_park_time(&send, now + 1), A_TURN - 1);
    assert_int_equal(send_park_time(&send, now + A_TURN - 1), 1);
    assert_int_equal(send_park_time(&send, now + A_TURN), 0);
    assert_int_equal(send_park_time(&send, now + A_TURN + 1), 0);
    assert_int_equal(send_park_time(&send, now + 100 * A_TURN), 0);
}

static void who_waits_in_line_is_called_in_time(void **state)
{
    static struct send_message message;
    (void)state;
    start();
    message = (struct send_message){.content.sender = "ann@from.test"};
    assert_true(send_window_reserve(&message.window, 1));
    send_window_open(&message.window);
    send_window_add(&message.window, HOST, 0);
    send_window_close(&message.window);
    send_park_remote(&send, &message, now);
    it_waits_no_longer_than_the_rate();
    now += A_TURN;
    send.dispatched_at = now;
    assert_ptr_equal(send_park_call(&send, now), &message);
    assert_true(send_park_time(&send, now) == UINT64_MAX); /* nobody waits any more */
    send_window_free(&message.window);
}

static void who_waits_in_the_backlog_is_called_in_time(void **state)
{
    struct send_destination *const destination = start();
    (void)state;
    assert_true(send_backlog_add(&send.backlog, &destination->lines->backlog, SEND_PLACE_NEW,
                                 "0123456789abcdefghjk"));
    it_waits_no_longer_than_the_rate();
}

static void for_nobody_nothing_wakes_up(void **state)
{
    (void)state;
    start();
    hand_out();
    assert_true(send_park_time(&send, now) == UINT64_MAX);
    assert_true(send_park_time(&send, now + A_TURN) == UINT64_MAX);
}

int main(void)
{
    struct CMUnitTest const tests[] = {cmocka_unit_test(who_waits_in_line_is_called_in_time),
                                       cmocka_unit_test(who_waits_in_the_backlog_is_called_in_time),
                                       cmocka_unit_test(for_nobody_nothing_wakes_up)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
