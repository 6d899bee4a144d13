/* Which slots of the wheel are read, whatever the clock and the cursor do. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "queue/send_wheel.h"

#define TICK  ((uint64_t)QUEUE_SLOT_SECONDS)
#define START (UINT64_C(28125000) * TICK)

static struct send_wheel wheel;

static void start(uint64_t now, uint64_t cursor)
{
    wheel.cursor = -1;
    send_wheel_start(&wheel, now, cursor);
}

/* Reads all slots that are to be read; returns their number, and the first of them. */
static unsigned int read_all(int *first)
{
    unsigned int count = 0;
    *first = send_wheel_next(&wheel);
    for (int slot; (slot = send_wheel_next(&wheel)) >= 0; count++)
        send_wheel_read(&wheel, slot, wheel.slots[slot]);
    assert_int_equal(wheel.waiting, 0);
    return count;
}

static int slot_of(uint64_t time)
{
    return (int)(time / TICK % QUEUE_SLOTS);
}

static void a_start_reads_what_became_due_since(void **state)
{
    int first;
    (void)state;
    start(START, START - 5 * TICK);
    assert_int_equal(read_all(&first), 6); /* the five, and the one that begins now */
    assert_int_equal(first, slot_of(START - 5 * TICK));
    start(START, START + TICK);
    assert_int_equal(read_all(&first), 0);
}

static void a_cursor_that_cannot_be_reads_all(void **state)
{
    static uint64_t const cursors[] = {0, 1, START - QUEUE_SLOTS * TICK, START + 2 * TICK,
                                       UINT64_MAX};
    int first;
    (void)state;
    for (size_t i = 0; i < sizeof cursors / sizeof *cursors; i++) {
        start(START, cursors[i]);
        assert_int_equal(read_all(&first), QUEUE_SLOTS);
    }
}

static void time_makes_slots_due(void **state)
{
    int first;
    (void)state;
    start(START, START + TICK);
    send_wheel_advance(&wheel, START + TICK - 1);
    assert_int_equal(send_wheel_wait(&wheel, START + TICK - 1), 1);
    assert_int_equal(read_all(&first), 0);
    send_wheel_advance(&wheel, START + TICK);
    assert_int_equal(read_all(&first), 1);
    assert_int_equal(first, slot_of(START + TICK));
    send_wheel_advance(&wheel, START + 101 * TICK);
    assert_int_equal(read_all(&first), 100);
}

/* A message is found again at its time, whatever the delay: neither before nor a ring later. */
static void what_is_put_comes_back(void **state)
{
    (void)state;
    for (uint64_t delay = 0; delay <= SEND_WHEEL_LONGEST; delay += 397) {
        uint64_t const now = START + delay % TICK;
        int first;
        start(now, now + TICK);
        int const slot = send_wheel_slot(&wheel, now, delay);
        /* Step by step, as the loop does: a long step would look like a clock set forward. */
        uint64_t time = now;
        for (; time < now + delay; time++) {
            send_wheel_advance(&wheel, time);
            assert_int_equal(wheel.slots[slot], SEND_SLOT_QUIET);
            read_all(&first);
        }
        while (wheel.slots[slot] == SEND_SLOT_QUIET)
            send_wheel_advance(&wheel, ++time);
        assert_in_range(time, now + delay, now + delay + TICK);
    }
}

static void a_delay_is_never_longer_than_the_ring(void **state)
{
    (void)state;
    start(START, START + TICK);
    assert_int_equal(send_wheel_slot(&wheel, START, UINT32_MAX),
                     slot_of(START + SEND_WHEEL_LONGEST));
}

static void a_clock_set_back_freezes_nothing(void **state)
{
    int first;
    (void)state;
    start(START, START + TICK);
    send_wheel_advance(&wheel, START - 3600);
    assert_int_equal(read_all(&first), QUEUE_SLOTS);
    send_wheel_advance(&wheel, START - 3600 + TICK);
    assert_int_equal(read_all(&first), 1);
    /* some seconds back, as time services do, are nothing */
    send_wheel_advance(&wheel, START - 3600 + TICK - 2);
    assert_int_equal(read_all(&first), 0);
}

static void a_clock_set_forward_reads_all_once(void **state)
{
    int first;
    (void)state;
    start(START, START + TICK);
    send_wheel_advance(&wheel, START + 86400 * 365);
    assert_int_equal(read_all(&first), QUEUE_SLOTS);
    assert_in_range(send_wheel_wait(&wheel, START + 86400 * 365), 1, TICK);
}

static void a_sweep_does_not_hide_a_slot_that_becomes_due(void **state)
{
    int first;
    (void)state;
    start(START, START + TICK);
    send_wheel_sweep(&wheel);
    int const slot = send_wheel_next(&wheel);
    assert_int_equal(slot, slot_of(START + TICK));
    enum send_slot const as = wheel.slots[slot];
    assert_int_equal(as, SEND_SLOT_SWEEP);
    send_wheel_advance(&wheel, START + TICK); /* while it is read */
    send_wheel_read(&wheel, slot, as);
    assert_int_equal(wheel.slots[slot], SEND_SLOT_DUE);
    read_all(&first);
}

static void a_sweep_knows_what_it_tried(void **state)
{
    struct timespec now, earlier, later, before;
    (void)state;
    start(START, 0);
    clock_gettime(CLOCK_REALTIME, &before); /* Linux 6.13 may have stamped a file just now */
    send_wheel_sweep(&wheel);
    assert_false(send_wheel_is_tried(&wheel, &before));
    clock_gettime(CLOCK_REALTIME_COARSE, &now); /* and older kernels do so */
    assert_true(send_wheel_is_tried(&wheel, &now));
    earlier = later = wheel.sweep_began;
    earlier.tv_sec--;
    later.tv_sec += 3600;
    assert_false(send_wheel_is_tried(&wheel, &earlier));
    assert_false(send_wheel_is_tried(&wheel, &later)); /* by a clock that was wrong */
    clock_gettime(CLOCK_REALTIME, &now); /* as the kernel stamps what was looked at just before */
    assert_true(send_wheel_is_tried(&wheel, &now));
}

static void what_was_kept_is_read_again(void **state)
{
    int first;
    (void)state;
    start(START, START + TICK);
    send_wheel_keep(&wheel, 7);
    assert_int_equal(read_all(&first), 0);
    send_wheel_again_all(&wheel);
    assert_int_equal(read_all(&first), 1);
    assert_int_equal(first, 7);
    send_wheel_again_all(&wheel);
    assert_int_equal(read_all(&first), 0);
}

/* A slot that is just being read keeps its flag: what stayed may lie before the reader. */
static void what_was_kept_during_a_reading_is_not_forgotten(void **state)
{
    int first;
    (void)state;
    start(START, START);
    int const slot = send_wheel_next(&wheel);
    send_wheel_keep(&wheel, slot);
    send_wheel_again_all(&wheel);
    send_wheel_read(&wheel, slot, SEND_SLOT_DUE);
    assert_int_equal(send_wheel_next(&wheel), -1);
    send_wheel_again_all(&wheel);
    assert_int_equal(read_all(&first), 1);
}

/* What waits for the end of a pause is not read before, neither again nor when others are kept. */
static void what_is_parked_is_read_after_the_pause(void **state)
{
    int first;
    (void)state;
    start(START, START + TICK);
    int const slot = send_wheel_parking(&wheel);
    assert_int_equal(slot, slot_of(START));
    send_wheel_park(&wheel, slot);
    send_wheel_again_all(&wheel);
    send_wheel_advance(&wheel, START + 5 * TICK);
    assert_int_equal(read_all(&first), 5);
    send_wheel_unpark_all(&wheel);
    assert_int_equal(read_all(&first), 1);
    assert_int_equal(first, slot);
    send_wheel_unpark_all(&wheel);
    assert_int_equal(read_all(&first), 0);
}

static void the_cursor_never_passes_what_is_left(void **state)
{
    char path[] = "/tmp/ekiden-wheel-XXXXXX";
    char folder[64], file[64];
    unsigned int busy[QUEUE_SLOTS] = {0};
    int first;
    (void)state;
    assert_non_null(mkdtemp(path));
    snprintf(folder, sizeof folder, "%s/wheel", path);
    snprintf(file, sizeof file, "%s/wheel/cursor", path);
    assert_int_equal(mkdir(folder, 0700), 0);
    int const queue = open(path, O_RDONLY | O_DIRECTORY);
    struct send_wheel reader;

    assert_int_equal(send_wheel_open(&wheel, queue), 0);
    send_wheel_start(&wheel, START, START - 9 * TICK);
    busy[slot_of(START - 3 * TICK)] = 2;
    send_wheel_save(&wheel, busy);
    assert_int_equal(send_wheel_open(&reader, queue), 0); /* it had not moved */
    close(reader.cursor);
    read_all(&first);
    send_wheel_save(&wheel, busy);
    assert_int_equal(send_wheel_open(&reader, queue), START - 3 * TICK);
    close(reader.cursor);
    busy[slot_of(START - 3 * TICK)] = 0;
    send_wheel_keep(&wheel, slot_of(START - TICK));
    send_wheel_save(&wheel, busy);
    assert_int_equal(send_wheel_open(&reader, queue), START - TICK);
    close(reader.cursor);
    send_wheel_again_all(&wheel);
    read_all(&first);
    send_wheel_save(&wheel, busy);
    assert_int_equal(send_wheel_open(&reader, queue), START + TICK);
    close(reader.cursor);
    send_wheel_park(&wheel, send_wheel_parking(&wheel)); /* back */
    send_wheel_save(&wheel, busy);
    assert_int_equal(send_wheel_open(&reader, queue), START);
    close(reader.cursor);
    close(wheel.cursor);

    unlink(file);
    rmdir(folder);
    rmdir(path);
    close(queue);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(a_start_reads_what_became_due_since),
        cmocka_unit_test(a_cursor_that_cannot_be_reads_all),
        cmocka_unit_test(time_makes_slots_due),
        cmocka_unit_test(what_is_put_comes_back),
        cmocka_unit_test(a_delay_is_never_longer_than_the_ring),
        cmocka_unit_test(a_clock_set_back_freezes_nothing),
        cmocka_unit_test(a_clock_set_forward_reads_all_once),
        cmocka_unit_test(a_sweep_does_not_hide_a_slot_that_becomes_due),
        cmocka_unit_test(a_sweep_knows_what_it_tried),
        cmocka_unit_test(what_was_kept_is_read_again),
        cmocka_unit_test(what_is_parked_is_read_after_the_pause),
        cmocka_unit_test(what_was_kept_during_a_reading_is_not_forgotten),
        cmocka_unit_test(the_cursor_never_passes_what_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
