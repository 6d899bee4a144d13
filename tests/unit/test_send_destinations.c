/* Windows, dead destinations, rates, and who is called from their lines: all with a clock of our
 * own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "queue/send_transactions.h"
#include "queue/send_waiting.h"

#define LIMIT 40
#define READY SEND_DESTINATION_READY
#define FULL  SEND_DESTINATION_FULL
#define DEAD  SEND_DESTINATION_DEAD

static struct send_destinations table;
static uint64_t now;

static int start(void **state)
{
    (void)state;
    memset(&table, 0, sizeof table);
    send_destinations_start(&table);
    now = 1000000;
    return 0;
}

static struct send_destination *find(uint64_t key)
{
    return send_destinations_find(&table, key, now);
}

static struct smtproute_host const host = {.name = "host.test", .port = 25};

static struct send_destination *make(uint64_t key, uint32_t rate, uint32_t connections)
{
    struct send_destination *const destination = find(key);
    struct send_limits const limits = {.rate = rate, .connections = connections};
    send_destination_set(destination, 1, &host, &limits, SEND_DESTINATION_START);
    return destination;
}

static enum send_destination_state state_of(struct send_destination const *destination)
{
    return send_destination_state(&table, destination->lines, LIMIT, now);
}

/* Begins as many as it can. */
static unsigned int fill(struct send_destination *destination)
{
    unsigned int count = 0;
    for (; state_of(destination) == READY; count++)
        send_destination_begin(&table, destination->lines, now);
    return count;
}

static enum send_destination_change end(struct send_destination *destination,
                                        enum send_destination_verdict verdict)
{
    return send_destination_end(&table, destination->lines, verdict, "4.4.1 no connection", now);
}

static void it_starts_small_and_grows_to_half(void **state)
{
    struct send_destination *const destination = make(1, 0, 0);
    (void)state;
    assert_int_equal(fill(destination), SEND_DESTINATION_START);
    for (unsigned int i = 0; i < 100; i++) {
        end(destination, SEND_DESTINATION_WORKS);
        fill(destination);
    }
    assert_int_equal(table.in_flight, LIMIT / 2);
    assert_int_equal(destination->in_flight, LIMIT / 2);
    /* one that is hardly used does not grow */
    struct send_destination *const other = make(2, 0, 0);
    for (unsigned int i = 0; i < 100; i++) {
        send_destination_begin(&table, other->lines, now);
        end(other, SEND_DESTINATION_WORKS);
    }
    assert_int_equal(other->window, SEND_DESTINATION_START);
}

static void an_answer_that_is_no_success_changes_nothing(void **state)
{
    struct send_destination *const destination = make(1, 0, 0);
    (void)state;
    for (unsigned int i = 0; i < 20; i++) {
        fill(destination);
        assert_int_equal(
            end(destination, i % 2 ? SEND_DESTINATION_ANSWERS : SEND_DESTINATION_UNKNOWN),
            SEND_DESTINATION_SAME);
    }
    assert_int_equal(destination->window, SEND_DESTINATION_START);
}

static void it_has_its_connections(void **state)
{
    struct send_destination *const destination = make(1, 0, 2);
    (void)state;
    for (unsigned int i = 0; i < 50; i++) {
        fill(destination);
        assert_int_equal(destination->in_flight, 2);
        end(destination, SEND_DESTINATION_WORKS);
    }
}

/* Who has much gives it away as soon as others ask. */
static void several_share_what_there_is(void **state)
{
    (void)state;
    for (uint64_t key = 1; key <= 10; key++) {
        struct send_destination *const destination = make(key, 0, 0);
        destination->window = SEND_DESTINATION_WIDEST;
        fill(destination);
        if (key <= 3)
            assert_int_equal(destination->in_flight, LIMIT >> key);
    }
    assert_int_equal(table.in_flight, LIMIT);
    for (unsigned int round = 0; round < 200; round++) {
        struct send_destination *const destination = find(1 + round % 10);
        if (destination->in_flight)
            end(destination, SEND_DESTINATION_WORKS);
        for (uint64_t key = 1; key <= 10; key++)
            fill(find(key));
    }
    for (uint64_t key = 1; key <= 10; key++)
        assert_in_range(find(key)->in_flight, 1, 5);
    assert_true(table.in_flight < LIMIT); /* and one more finds a place */
}

static void the_last_place_is_the_last(void **state)
{
    (void)state;
    for (unsigned int limit = 1; limit < 4; limit++) {
        start(NULL);
        struct send_destination *const one = make(1, 0, 0), *const two = make(2, 0, 0);
        assert_int_equal(send_destination_state(&table, one->lines, limit, now), READY);
        send_destination_begin(&table, one->lines, now);
        assert_int_equal(send_destination_state(&table, one->lines, limit, now), FULL);
        assert_int_equal(send_destination_state(&table, two->lines, limit, now),
                         limit == 1 ? FULL : READY);
    }
}

static void a_window_that_comes_to_nothing_is_dead(void **state)
{
    struct send_destination *const destination = make(1, 0, 0);
    (void)state;
    fill(destination);
    for (unsigned int i = 1; i < SEND_DESTINATION_START; i++) {
        assert_int_equal(end(destination, SEND_DESTINATION_UNREACHABLE), SEND_DESTINATION_SAME);
        assert_int_equal(state_of(destination), FULL);
    }
    assert_int_equal(end(destination, SEND_DESTINATION_UNREACHABLE), SEND_DESTINATION_DIED);
    assert_int_equal(state_of(destination), DEAD);
    assert_string_equal(destination->words, "no connection");
    assert_int_equal(destination->failed_at, now);
    /* One probe at a time, and twice as long each time, up to an hour. */
    uint64_t const times[] = {300, 600, 1200, 2400, 3600, 3600};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        now += times[i] * 1000 - 1;
        assert_int_equal(state_of(destination), DEAD);
        now++;
        assert_int_equal(fill(destination), 1);
        assert_int_equal(end(destination, SEND_DESTINATION_UNREACHABLE), SEND_DESTINATION_DIED);
        assert_int_equal(state_of(destination), DEAD);
    }
    now += SEND_DESTINATION_DEAD_MAX;
    assert_int_equal(fill(destination), 1);
    assert_int_equal(end(destination, SEND_DESTINATION_WORKS), SEND_DESTINATION_BACK);
    assert_int_equal(fill(destination), SEND_DESTINATION_START);
    /* what is dead anew is so for the shortest time */
    while (destination->in_flight)
        end(destination, SEND_DESTINATION_UNREACHABLE);
    now += SEND_DESTINATION_DEAD_FIRST;
    assert_int_equal(state_of(destination), READY);
}

static void a_probe_that_is_answered_at_all_brings_it_back(void **state)
{
    struct send_destination *const destination = make(1, 0, 0);
    (void)state;
    fill(destination);
    while (destination->in_flight)
        end(destination, SEND_DESTINATION_UNREACHABLE);
    now += SEND_DESTINATION_DEAD_FIRST;
    fill(destination);
    assert_int_equal(end(destination, SEND_DESTINATION_UNKNOWN), SEND_DESTINATION_SAME);
    assert_int_equal(fill(destination), 1); /* it said nothing: another one */
    assert_int_equal(end(destination, SEND_DESTINATION_ANSWERS), SEND_DESTINATION_BACK);
}

static void an_order_brings_all_back(void **state)
{
    struct send_destination *const destination = make(1, 0, 0);
    (void)state;
    fill(destination);
    while (destination->in_flight)
        end(destination, SEND_DESTINATION_UNREACHABLE);
    send_destinations_revive(&table);
    assert_int_equal(fill(destination), 1);
    end(destination, SEND_DESTINATION_UNREACHABLE);
    assert_int_equal(destination->dead_for, SEND_DESTINATION_DEAD_FIRST);
}

/* A server that takes ten connections and refuses more. */
static void the_window_finds_what_a_server_bears(void **state)
{
    struct send_destination *const destination = make(1, 0, 0);
    unsigned int most = 0, refused = 0;
    (void)state;
    for (unsigned int i = 0; i < 2000; i++) {
        unsigned int const before = destination->in_flight, begun = fill(destination);
        unsigned int const over = before + begun > 10 ? before + begun - 10 : 0;
        for (unsigned int j = 0; j < over; j++) {
            assert_int_equal(end(destination, SEND_DESTINATION_UNREACHABLE), SEND_DESTINATION_SAME);
            refused++;
        }
        end(destination, SEND_DESTINATION_WORKS);
        if (i > 100 && destination->window > most)
            most = destination->window;
    }
    assert_in_range(most, 9, 12);
    assert_true(refused < 300);
}

static void a_rate_spreads_its_messages(void **state)
{
    struct send_destination *const destination = make(1, 120, 0);
    unsigned int sent = 0;
    (void)state;
    assert_int_equal(fill(destination), 1); /* no burst */
    end(destination, SEND_DESTINATION_WORKS);
    for (uint64_t const until = now + 60000; now < until; now++)
        while (fill(destination)) {
            sent++;
            end(destination, SEND_DESTINATION_WORKS);
        }
    assert_in_range(sent, 119, 120);
    /* a loop that comes late does not lose by it, and what was idle saves nothing up */
    now += 3600000;
    sent = 0;
    for (uint64_t const until = now + 60000; now < until; now += 7)
        while (fill(destination)) {
            sent++;
            end(destination, SEND_DESTINATION_WORKS);
        }
    assert_in_range(sent, 119, 121);
}

static void the_table_is_bounded(void **state)
{
    struct send_destination *const busy = make(1, 0, 0), *const dead = make(2, 0, 0),
                                   *const idle = make(3, 0, 0);
    (void)state;
    send_destination_begin(&table, busy->lines, now);
    fill(dead);
    while (dead->in_flight)
        end(dead, SEND_DESTINATION_UNREACHABLE);
    for (uint64_t key = 4; key < 3 * SEND_DESTINATIONS_MAX; key++)
        make(key, 0, 0);
    assert_ptr_equal(find(1), busy);
    assert_int_equal(busy->in_flight, 1);
    assert_ptr_equal(find(2), dead); /* what is known is kept, as long as others hold nothing */
    assert_int_equal(state_of(find(2)), DEAD);
    find(3);
    assert_true(idle->key != 3);
    /* all are busy: the others share one, and it bounds them */
    for (uint64_t key = 10; table.in_flight < SEND_DESTINATIONS_MAX; key++) {
        struct send_destination *const destination = make(100000 + key, 0, 0);
        if (!destination->in_flight)
            send_destination_begin(&table, destination->lines, now);
    }
    assert_ptr_equal(find(7), &table.shared);
    assert_ptr_equal(find(8), &table.shared);
    for (unsigned int i = 0; i < 20; i++) {
        send_destination_begin(&table, table.shared.lines, now);
        assert_int_equal(end(&table.shared, SEND_DESTINATION_UNREACHABLE), SEND_DESTINATION_SAME);
    }
    assert_int_equal(table.shared.window, SEND_DESTINATION_WIDEST);
}

static void words_are_cut_between_characters(void **state)
{
    struct send_destination *const destination = make(1, 0, 0);
    (void)state;
    for (size_t before = SEND_DESTINATION_WORDS - 6; before < SEND_DESTINATION_WORDS; before++) {
        char words[2 * SEND_DESTINATION_WORDS] = "";
        memset(words, 'a', before);
        memcpy(words + before, "\xe9\xa7\x85 and more", 13); /* 駅 */
        send_destination_begin(&table, destination->lines, now);
        send_destination_end(&table, destination->lines, SEND_DESTINATION_UNREACHABLE, words, now);
        size_t const length = strlen(destination->words);
        assert_in_range(length, before, SEND_DESTINATION_WORDS - 1);
        assert_memory_equal(destination->words, words, length);
        assert_true(length == before || length >= before + 3);
    }
}

/* --- transactions --- */

static void the_best_answer_of_a_transaction_counts(void **state)
{
    static struct send_transactions transactions;
    struct send_destination *const destination = make(1, 0, 0);
    static struct {
        enum job_result results[2];
        enum send_destination_verdict verdict;
    } const cases[] = {
        {{JOB_DELIVERED, JOB_DELIVERED}, SEND_DESTINATION_WORKS},
        {{JOB_UNREACHABLE, JOB_FAILED}, SEND_DESTINATION_WORKS},
        {{JOB_DELIVERED, JOB_UNREACHABLE}, SEND_DESTINATION_WORKS},
        {{JOB_DEFERRED, JOB_UNREACHABLE}, SEND_DESTINATION_ANSWERS},
        {{JOB_UNREACHABLE, JOB_CORRUPT}, SEND_DESTINATION_UNREACHABLE},
        {{JOB_CORRUPT, JOB_CORRUPT}, SEND_DESTINATION_UNKNOWN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned int const number = send_transactions_begin(&transactions, destination->lines, 3);
        assert_null(send_transactions_answer(&transactions, number, cases[i].results));
        assert_null(send_transactions_answer(&transactions, number, NULL));
        struct send_transaction const *const ended =
            send_transactions_answer(&transactions, number, cases[i].results + 1);
        assert_non_null(ended);
        assert_int_equal(ended->verdict, cases[i].verdict);
        assert_ptr_equal(ended->line, destination->lines);
        assert_int_equal(transactions.count, 0);
    }
}

/* --- the lines --- */

/* A message with a recipient at each of the destinations FROM to TO. */
static void aim(struct send_message *message, uint64_t from, uint64_t to)
{
    *message = (struct send_message){.content.sender = "ann@from.test"};
    assert_true(send_window_reserve(&message->window, (uint32_t)(to - from + 1)));
    send_window_open(&message->window);
    for (uint64_t key = from; key <= to; key++)
        send_window_add(&message->window, key, (uint32_t)key);
    send_window_close(&message->window);
}

static struct send_message *next(void)
{
    return send_waiting_next(&table, LIMIT, now);
}

static void lines_are_served_in_turn(void **state)
{
    static struct send_message messages[6];
    struct send_destination *const one = make(1, 0, 1), *const two = make(2, 0, 1);
    (void)state;
    fill(one);
    fill(two);
    for (unsigned int i = 0; i < 4; i++)
        aim(messages + i, i < 3 ? 1 : 2, i < 3 ? 1 : 2);
    aim(messages + 4, 1, 2);
    for (unsigned int i = 0; i < 5; i++)
        send_waiting_add(&table, messages + i, now);
    assert_int_equal(one->lines->waiting, 4);
    assert_int_equal(two->lines->waiting, 2);
    assert_null(next());
    end(one, SEND_DESTINATION_WORKS);
    assert_ptr_equal(next(), messages);
    end(two, SEND_DESTINATION_WORKS);
    assert_ptr_equal(next(), messages + 3);
    assert_ptr_equal(next(), messages + 1);
    assert_ptr_equal(next(), messages + 4); /* it leaves both lines */
    assert_int_equal(one->lines->waiting, 1);
    assert_int_equal(two->lines->waiting, 0);
    send_waiting_remove(&table, messages + 2);
    send_waiting_remove(&table, messages + 2);
    assert_null(next());
    assert_null(send_waiting_any(&table));
    assert_false(send_destination_is_held(one));
    for (unsigned int i = 0; i < 5; i++)
        send_window_free(&messages[i].window);
}

/* However many reports wait, mail finds places, and goes past them in the same line. */
static void reports_have_half_of_the_places(void **state)
{
    static struct send_message report, message;
    (void)state;
    for (uint64_t key = 1; key <= LIMIT; key++) {
        struct send_line *const line = make(key, 0, 0)->lines + SEND_KIND_REPORT;
        line->destination->window = SEND_DESTINATION_WIDEST;
        while (send_destination_state(&table, line, LIMIT, now) == READY)
            send_destination_begin(&table, line, now);
        if (key <= 2)
            assert_int_equal(line->in_flight, LIMIT / 2 >> key); /* as with mail */
    }
    assert_int_equal(table.in_flight, LIMIT / 2);
    assert_int_equal(table.reports, LIMIT / 2);
    aim(&report, LIMIT + 1, LIMIT + 1);
    report.content.sender = "";
    aim(&message, LIMIT + 1, LIMIT + 1);
    send_waiting_add(&table, &report, now);
    send_waiting_add(&table, &message, now);
    assert_ptr_equal(next(), &message);
    assert_null(next());
    assert_true(send_destination_is_held(find(LIMIT + 1)));
    send_destination_end(&table, find(1)->lines + SEND_KIND_REPORT, SEND_DESTINATION_WORKS, "",
                         now);
    assert_ptr_equal(next(), &report);
    send_window_free(&report.window);
    send_window_free(&message.window);
}

static void who_waits_for_the_dead_is_called_and_who_waits_for_a_rate_sleeps(void **state)
{
    static struct send_message messages[2];
    struct send_destination *const dead = make(1, 0, 0), *const slow = make(2, 60, 0);
    (void)state;
    fill(dead);
    fill(slow);
    end(slow, SEND_DESTINATION_WORKS);
    aim(messages, 1, 1);
    aim(messages + 1, 2, 2);
    send_waiting_add(&table, messages, now);
    send_waiting_add(&table, messages + 1, now);
    assert_null(next());
    assert_int_equal(send_waiting_time(&table, now), 1000);
    while (dead->in_flight)
        end(dead, SEND_DESTINATION_UNREACHABLE);
    assert_ptr_equal(next(), messages);
    now += 999;
    assert_null(next());
    assert_int_equal(send_waiting_time(&table, now), 1);
    now++;
    assert_ptr_equal(next(), messages + 1);
    assert_true(send_waiting_time(&table, now) == UINT64_MAX);
    for (unsigned int i = 0; i < 2; i++)
        send_window_free(&messages[i].window);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup(it_starts_small_and_grows_to_half, start),
        cmocka_unit_test_setup(an_answer_that_is_no_success_changes_nothing, start),
        cmocka_unit_test_setup(it_has_its_connections, start),
        cmocka_unit_test_setup(several_share_what_there_is, start),
        cmocka_unit_test_setup(the_last_place_is_the_last, start),
        cmocka_unit_test_setup(a_window_that_comes_to_nothing_is_dead, start),
        cmocka_unit_test_setup(a_probe_that_is_answered_at_all_brings_it_back, start),
        cmocka_unit_test_setup(an_order_brings_all_back, start),
        cmocka_unit_test_setup(the_window_finds_what_a_server_bears, start),
        cmocka_unit_test_setup(a_rate_spreads_its_messages, start),
        cmocka_unit_test_setup(the_table_is_bounded, start),
        cmocka_unit_test_setup(words_are_cut_between_characters, start),
        cmocka_unit_test_setup(the_best_answer_of_a_transaction_counts, start),
        cmocka_unit_test_setup(lines_are_served_in_turn, start),
        cmocka_unit_test_setup(reports_have_half_of_the_places, start),
        cmocka_unit_test_setup(who_waits_for_the_dead_is_called_and_who_waits_for_a_rate_sleeps,
                               start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
