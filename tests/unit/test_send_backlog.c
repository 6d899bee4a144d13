/* The names of what waits in its folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "queue/queue_layout.h"
#include "queue/send_backlog.h"
#include "queue/send_place.h"

static struct send_backlog backlog;
#define QUEUES 25
static struct send_backlog_queue queues[QUEUES];
static unsigned int in_slot[QUEUE_SLOTS];
static bool again[QUEUE_SLOTS];

static int start(void **state)
{
    (void)state;
    memset(&backlog, 0, sizeof backlog);
    memset(queues, 0, sizeof queues);
    memset(in_slot, 0, sizeof in_slot);
    memset(again, 0, sizeof again);
    send_backlog_start(&backlog, in_slot, again);
    return 0;
}

static char const *name(unsigned int number)
{
    static char id[QUEUE_ID_LENGTH + 1];
    snprintf(id, sizeof id, "%020u", number);
    return id;
}

/* The number of the next name, -1: none. */
static int take(struct send_backlog_queue *queue, int *place)
{
    char id[QUEUE_ID_LENGTH + 1];
    int number = -1;
    if (send_backlog_take(&backlog, queue, place, id))
        sscanf(id, "%d", &number);
    return number;
}

static void first_in_first_out_and_new_before_deferred(void **state)
{
    int place, fresh = 0, deferred = 1000;
    (void)state;
    for (unsigned int i = 0; i < 100; i++) {
        assert_true(send_backlog_add(&backlog, queues, SEND_PLACE_NEW, name(i)));
        assert_true(send_backlog_add(&backlog, queues, 7, name(1000 + i)));
    }
    assert_int_equal(in_slot[7], 100);
    for (unsigned int i = 0; i < 200; i++) {
        int const got = take(queues, &place);
        assert_int_equal(place, got < 1000 ? SEND_PLACE_NEW : 7);
        assert_int_equal(got, got < 1000 ? fresh++ : deferred++);
        if (i == 79)
            assert_int_equal(deferred, 1010);
    }
    assert_int_equal(take(queues, &place), -1);
    assert_int_equal(in_slot[7], 0);
    assert_int_equal(backlog.count, 0);
    assert_null(backlog.first);
}

static void a_name_is_found_until_it_is_taken_or_dropped(void **state)
{
    int place;
    (void)state;
    for (unsigned int i = 0; i < 50; i++)
        send_backlog_add(&backlog, queues, (int)i, name(i));
    for (unsigned int i = 0; i < 50; i++) {
        assert_true(send_backlog_has(&backlog, name(i), &place));
        assert_int_equal(place, i);
    }
    send_backlog_drop(&backlog, name(0));
    send_backlog_drop(&backlog, name(20));
    send_backlog_drop(&backlog, name(49));
    send_backlog_drop(&backlog, name(99));
    assert_false(send_backlog_has(&backlog, name(20), &place));
    assert_int_equal(in_slot[20], 0);
    send_backlog_add(&backlog, queues + 1, 5, name(20)); /* it may come back elsewhere */
    for (int i = 1; i < 49; i++)
        if (i != 20)
            assert_int_equal(take(queues, &place), i);
    assert_int_equal(take(queues, &place), -1);
    assert_null(queues[0].count ? queues : NULL);
    assert_int_equal(take(queues + 1, &place), 20);
    assert_int_equal(backlog.count, 0);
}

static unsigned int fill(struct send_backlog_queue *queue, unsigned int *number, int place)
{
    unsigned int added = 0;
    while (send_backlog_add(&backlog, queue, place, name(++*number)))
        added++;
    return added;
}

static void one_queue_has_half_and_leaves_half(void **state)
{
    unsigned int number = 0;
    int place;
    (void)state;
    assert_int_equal(fill(queues, &number, SEND_PLACE_NEW), SEND_BACKLOG_MAX / 2);
    assert_true(queues[0].more);
    assert_int_equal(fill(queues + 1, &number, SEND_PLACE_NEW), SEND_BACKLOG_MAX / 3);
    assert_true(send_backlog_add(&backlog, queues + 2, SEND_PLACE_NEW, name(++number)));
    while (take(queues, &place) >= 0)
        ;
    assert_true(queues[0].listed); /* there is more of it */
    send_backlog_clear_more(&backlog);
    assert_false(queues[0].listed);
    assert_true(queues[1].listed && !queues[1].more);
    assert_true(fill(queues, &number, SEND_PLACE_NEW) > SEND_BACKLOG_MAX / 4);
}

/* Who comes when others have taken all places gets what they have too much. */
static void each_queue_has_its_share(void **state)
{
    unsigned int number = 0, kept = 0;
    int place;
    (void)state;
    for (unsigned int i = 0; i < 40; i++)
        send_backlog_add(&backlog, queues, 7, name(++number));
    fill(queues, &number, SEND_PLACE_NEW);
    for (unsigned int i = 1; i < QUEUES; i++)
        assert_true(fill(queues + i, &number, 9) >= SEND_BACKLOG_MAX / (QUEUES + 1));
    for (unsigned int i = 0; i < QUEUES; i++) {
        assert_in_range(queues[i].count, SEND_BACKLOG_MAX / (QUEUES + 1),
                        SEND_BACKLOG_MAX / (QUEUES - 1));
        assert_true(queues[i].more);
        kept += queues[i].count;
    }
    assert_int_equal(kept, backlog.count);
    assert_int_equal(in_slot[7], 40); /* the deferred ones have a part of the share */
    assert_int_equal(in_slot[9], kept - queues->count);
    assert_true(again[9]);
    assert_false(again[7]);
    unsigned int const count = queues[1].count;
    for (unsigned int i = 0; i < count; i++)
        assert_true(take(queues + 1, &place) >= 0 && place == 9);
    assert_int_equal(take(queues + 1, &place), -1);
    assert_false(send_backlog_has(&backlog, name(number), &place));
    assert_int_equal(queues[1].count, 0);
}

/* 25 slow destinations with more than finds room: nobody looks for it all the time. */
static void more_is_looked_for_when_there_is_room(void **state)
{
    unsigned int number = 0, taken = 0;
    int place;
    (void)state;
    for (unsigned int i = 0; i < QUEUES; i++)
        fill(queues + i, &number, SEND_PLACE_NEW);
    for (unsigned int i = 0; i < QUEUES; i++) {
        assert_true(queues[i].more && queues[i].count < SEND_BACKLOG_LOW);
        assert_false(send_backlog_wants(&backlog, queues + i));
    }
    unsigned int const count = queues->count;
    for (; !send_backlog_wants(&backlog, queues); taken++)
        assert_true(take(queues, &place) >= 0);
    assert_in_range(taken, count / 3, count * 2 / 3);
    while (take(queues, &place) >= 0)
        ;
    assert_true(send_backlog_wants(&backlog, queues));
    send_backlog_clear_more(&backlog);
    assert_false(send_backlog_wants(&backlog, queues));
}

static void one_that_has_little_wants_more(void **state)
{
    unsigned int number = 0;
    int place;
    (void)state;
    while (send_backlog_add(&backlog, queues, SEND_PLACE_NEW, name(number)))
        number++;
    while (queues->count >= SEND_BACKLOG_LOW) {
        assert_false(send_backlog_wants(&backlog, queues));
        take(queues, &place);
    }
    assert_true(send_backlog_wants(&backlog, queues));
}

static void queues_are_joined(void **state)
{
    int place;
    (void)state;
    for (unsigned int i = 0; i < 3; i++)
        send_backlog_add(&backlog, queues + i, SEND_PLACE_NEW, name(i));
    send_backlog_join(&backlog, queues + 3, queues + 1);
    send_backlog_join(&backlog, queues + 3, queues + 2);
    send_backlog_join(&backlog, queues + 3, queues + 2);
    assert_ptr_equal(backlog.first, queues);
    send_backlog_rotate(&backlog, queues);
    assert_ptr_equal(backlog.first, queues + 3);
    assert_int_equal(queues[3].count, 2);
    assert_int_equal(take(queues + 3, &place), 1);
    assert_int_equal(take(queues + 3, &place), 2);
    assert_int_equal(take(queues + 3, &place), -1);
    assert_int_equal(take(queues, &place), 0);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup(first_in_first_out_and_new_before_deferred, start),
        cmocka_unit_test_setup(a_name_is_found_until_it_is_taken_or_dropped, start),
        cmocka_unit_test_setup(one_queue_has_half_and_leaves_half, start),
        cmocka_unit_test_setup(each_queue_has_its_share, start),
        cmocka_unit_test_setup(more_is_looked_for_when_there_is_room, start),
        cmocka_unit_test_setup(one_that_has_little_wants_more, start),
        cmocka_unit_test_setup(queues_are_joined, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
