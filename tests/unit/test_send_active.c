/* The active messages, the deliveries in hand, and the marks in a file. */
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

#include "queue/send_active.h"
#include "queue/send_jobs.h"
#include "queue/send_marks.h"
#include "queue/send_place.h"

#define MESSAGES 300

static struct send_active active;
static struct send_message messages[MESSAGES];

static void a_message_is_found_until_it_is_removed(void **state)
{
    (void)state;
    send_active_start(&active);
    for (unsigned int i = 0; i < MESSAGES; i++) {
        messages[i] = (struct send_message){.place = i % 2 ? (int)i : SEND_PLACE_NEW};
        queue_file_name(messages[i].id);
        assert_null(send_active_find(&active, messages[i].id));
        send_active_add(&active, messages + i);
    }
    for (unsigned int i = 0; i < MESSAGES; i++)
        assert_int_equal(active.in_slot[i], i % 2);
    for (unsigned int i = 0; i < MESSAGES; i++) {
        assert_ptr_equal(send_active_find(&active, messages[i].id), messages + i);
        send_active_remove(&active, messages + i);
        assert_null(send_active_find(&active, messages[i].id));
    }
    assert_int_equal(active.count, 0);
    for (unsigned int i = 0; i < MESSAGES; i++)
        assert_int_equal(active.in_slot[i], 0);
}

static struct send_message *pop(bool room)
{
    return send_active_pop(&active, SEND_LANE_REMOTE, room);
}

static void waiting_messages_take_turns(void **state)
{
    (void)state;
    send_active_start(&active);
    for (unsigned int i = 0; i < 3; i++)
        send_active_push_waiting(&active, SEND_LANE_REMOTE, messages + i);
    assert_null(send_active_pop(&active, SEND_LANE_LOCAL, true));
    for (unsigned int turn = 0; turn < 9; turn++) {
        struct send_message *const message = pop(true);
        assert_ptr_equal(message, messages + turn % 3);
        send_active_push_waiting(&active, SEND_LANE_REMOTE, message);
    }
    for (unsigned int i = 0; i < 3; i++)
        assert_non_null(pop(false));
    assert_null(pop(true));
    /* an emptied list can be used again */
    send_active_push_waiting(&active, SEND_LANE_REMOTE, messages);
    assert_ptr_equal(pop(true), messages);
}

static void blocked_messages_wait_for_a_place(void **state)
{
    (void)state;
    send_active_start(&active);
    for (unsigned int i = 0; i < 3; i++)
        send_active_push_blocked(&active, SEND_LANE_REMOTE, messages + i);
    assert_true(send_active_has_waiting(&active));
    assert_null(pop(false));
    assert_ptr_equal(pop(true), messages);
    send_active_push_waiting(&active, SEND_LANE_REMOTE, messages + 4);
    assert_ptr_equal(pop(false), messages + 4);
    send_active_push_waiting(&active, SEND_LANE_REMOTE, messages + 4);
    send_active_remove_blocked(&active, SEND_LANE_REMOTE, messages + 1);
    send_active_remove_blocked(&active, SEND_LANE_REMOTE, messages + 1);
    assert_ptr_equal(pop(true), messages + 2); /* it has waited for longer */
    assert_ptr_equal(pop(true), messages + 4);
    assert_null(pop(true));
    assert_false(send_active_has_waiting(&active));
}

/* A message counts as idle while it waits for places in its lanes and for nothing else. */
static void idle_messages_are_counted(void **state)
{
    struct send_message *const message = messages;
    (void)state;
    *message = (struct send_message){.place = SEND_PLACE_NEW};
    queue_file_name(message->id);
    send_active_start(&active);
    send_active_add(&active, message);
    for (enum send_lane lane = 0; lane < SEND_LANES; lane++)
        send_active_push_waiting(&active, lane, message);
    assert_int_equal(active.idle, 0);
    send_active_push_blocked(&active, SEND_LANE_LOCAL,
                             send_active_pop(&active, SEND_LANE_LOCAL, true));
    assert_int_equal(active.idle, 0); /* the other lane has not looked at it */
    send_active_push_blocked(&active, SEND_LANE_REMOTE, pop(true));
    assert_int_equal(active.idle, 1);
    message->in_flight = 1;
    send_active_reckon(&active, message);
    assert_int_equal(active.idle, 0);
    message->in_flight = 0;
    send_active_reckon(&active, message);
    assert_int_equal(active.idle, 1);
    message->ended[SEND_LANE_LOCAL] = message->ended[SEND_LANE_REMOTE] = true;
    send_active_reckon(&active, message);
    assert_int_equal(active.idle, 0); /* it is over */
    send_active_push_report(&active, message);
    assert_false(send_message_is_over(message));
    assert_int_equal(active.idle, 0);
    assert_ptr_equal(send_active_pop_report(&active), message);
    assert_true(send_message_is_over(message));
    send_active_remove(&active, message);
    assert_int_equal(active.count, 0);
}

static void a_message_is_touched_once_a_turn(void **state)
{
    (void)state;
    send_active_start(&active);
    for (unsigned int i = 0; i < 6; i++)
        send_active_touch(&active, messages + i % 2);
    assert_non_null(send_active_pop_touched(&active));
    assert_non_null(send_active_pop_touched(&active));
    assert_null(send_active_pop_touched(&active));
}

static void only_the_agent_that_has_a_job_can_answer_it(void **state)
{
    static struct send_jobs jobs;
    (void)state;
    send_jobs_start(&jobs);
    struct send_job *const job = send_jobs_add(&jobs, messages, 7, 1);
    uint64_t const number = job->number;
    assert_int_equal(jobs.count, 1);
    assert_ptr_equal(send_jobs_find(&jobs, number, 1), job);
    assert_null(send_jobs_find(&jobs, number, 0));
    assert_null(send_jobs_find(&jobs, number + SEND_JOBS_MAX, 1));
    assert_null(send_jobs_find(&jobs, 0, 1));
    assert_null(send_jobs_find(&jobs, UINT64_MAX, 1));
    send_jobs_remove(&jobs, job);
    assert_null(send_jobs_find(&jobs, number, 1));
    /* The place is used again, its number never. */
    assert_ptr_equal(send_jobs_add(&jobs, messages, 8, 1), job);
    assert_null(send_jobs_find(&jobs, number, 1));
    for (unsigned int i = 1; i < SEND_JOBS_MAX; i++)
        send_jobs_add(&jobs, messages, i, 0);
    assert_int_equal(jobs.count, SEND_JOBS_MAX);
}

/* Only the marks that changed are written, each at its own byte. */
static void marks_are_written_in_place(void **state)
{
    char folder[] = "/tmp/ekiden-marks-XXXXXX", text[16] = {0};
    struct queue_recipient recipients[5];
    struct send_message message = {.place = SEND_PLACE_NEW, .id = "00000000000000000000"};
    (void)state;
    assert_non_null(mkdtemp(folder));
    int const queue = open(folder, O_RDONLY | O_DIRECTORY);
    assert_int_equal(mkdirat(queue, "new", 0700), 0);
    int const file = openat(queue, "new/00000000000000000000", O_RDWR | O_CREAT, 0600);
    assert_int_equal(write(file, "aTbTcTdTeT", 10), 10);
    for (unsigned int i = 0; i < 5; i++)
        recipients[i] = (struct queue_recipient){.mark_offset = 2 * i + 1, .mark = ENVELOPE_TODO};
    message.content.recipients = recipients;
    message.content.recipient_count = 5;

    send_marks_set(&message, 3, ENVELOPE_DONE);
    send_marks_set(&message, 1, ENVELOPE_FAILED);
    assert_true(send_marks_write(queue, &message, SEND_MARKS_WRITE));
    assert_int_equal(pread(file, text, 10, 0), 10);
    assert_string_equal(text, "aTb-cTd+eT");
    struct send_marks_count count = send_marks_count(&message);
    assert_int_equal(count.todo, 3);
    assert_int_equal(count.failed, 1);
    send_marks_reported(&message, ENVELOPE_FAILED);
    assert_true(send_marks_write(queue, &message, SEND_MARKS_SYNC));
    assert_int_equal(pread(file, text, 10, 0), 10);
    assert_string_equal(text, "aTb+cTd+eT");
    count = send_marks_count(&message);
    assert_int_equal(count.todo, 3);
    assert_int_equal(count.failed, 0);

    assert_true(send_marks_write(queue, &message, SEND_MARKS_SYNC));
    unlinkat(queue, "new/00000000000000000000", 0);
    assert_true(send_marks_write(queue, &message, SEND_MARKS_WRITE)); /* nothing to write */
    send_marks_set(&message, 4, ENVELOPE_DONE);
    assert_false(send_marks_write(queue, &message, SEND_MARKS_WRITE));
    assert_int_equal(message.dirty_from, 4); /* tried again with the next call */

    close(file);
    unlinkat(queue, "new", AT_REMOVEDIR);
    close(queue);
    rmdir(folder);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(a_message_is_found_until_it_is_removed),
        cmocka_unit_test(waiting_messages_take_turns),
        cmocka_unit_test(blocked_messages_wait_for_a_place),
        cmocka_unit_test(idle_messages_are_counted),
        cmocka_unit_test(a_message_is_touched_once_a_turn),
        cmocka_unit_test(only_the_agent_that_has_a_job_can_answer_it),
        cmocka_unit_test(marks_are_written_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
