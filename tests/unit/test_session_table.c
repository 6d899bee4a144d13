/* The shared table of sessions: caps hold, and a process that dies anywhere frees its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "smtpd/session_table.h"

static ip46 address(char const *text)
{
    ip46 ip;
    memset(&ip, 0, sizeof ip);
    assert_true(ip46_scan(text, &ip) > 0);
    return ip;
}

static enum connection_refusal enter(struct session_table *table, char const *text)
{
    ip46 const ip = address(text);
    int const slot = session_table_claim(table);
    assert_true(slot >= 0);
    return session_table_enter(table, slot, &ip, true, 6, 2);
}

static void caps_hold(void **state)
{
    struct session_table *const table = session_table_new(8);
    (void)state;
    assert_int_equal(enter(table, "192.0.2.1"), CONNECTION_WELCOME);
    assert_int_equal(enter(table, "192.0.2.1"), CONNECTION_WELCOME);
    assert_int_equal(enter(table, "192.0.2.1"), CONNECTION_TOO_MANY_FROM_HERE);
    assert_int_equal(enter(table, "192.0.2.2"), CONNECTION_WELCOME);
    assert_int_equal(enter(table, "2001:db8:0:1::1"), CONNECTION_WELCOME);
    assert_int_equal(enter(table, "2001:db8:0:1:ffff::2"), CONNECTION_WELCOME);
    assert_int_equal(enter(table, "2001:db8:0:2::1"), CONNECTION_TOO_MANY);
    assert_int_equal(session_table_active(table), 7);
    assert_int_equal(session_table_taken(table), 7);
}

static void a_64_counts_as_one_address(void **state)
{
    struct session_table *const table = session_table_new(8);
    (void)state;
    assert_int_equal(enter(table, "2001:db8:0:1::1"), CONNECTION_WELCOME);
    assert_int_equal(enter(table, "2001:db8:0:1::2"), CONNECTION_WELCOME);
    assert_int_equal(enter(table, "2001:db8:0:1::3"), CONNECTION_TOO_MANY_FROM_HERE);
    assert_int_equal(enter(table, "2001:db8::3"), CONNECTION_WELCOME); /* its neighbour */
}

static void a_slot_comes_back(void **state)
{
    struct session_table *const table = session_table_new(1);
    ip46 const ip = address("192.0.2.1");
    (void)state;
    int const slot = session_table_claim(table);
    assert_int_equal(slot, 0);
    assert_int_equal(session_table_claim(table), -1);
    assert_true(session_table_is_waiting(table, slot));
    session_table_release(table, slot); /* it died while it waited */
    assert_int_equal(session_table_active(table), 0);
    assert_int_equal(session_table_claim(table), 0);
    session_table_enter(table, 0, &ip, true, 1, 1);
    assert_false(session_table_is_waiting(table, 0));
    session_table_leave(table, 0); /* not counted any more, but not free before it ended */
    assert_int_equal(session_table_active(table), 0);
    assert_int_equal(session_table_claim(table), -1);
    session_table_release(table, 0);
    assert_int_equal(session_table_active(table), 0);
    assert_int_equal(session_table_claim(table), 0);
}

static void children_share_it(void **state)
{
    struct session_table *const table = session_table_new(2);
    ip46 const ip = address("192.0.2.1");
    int const slot = session_table_claim(table);
    (void)state;
    pid_t const pid = fork();
    if (pid == 0) {
        session_table_enter(table, slot, &ip, true, 1, 1);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(session_table_active(table), 1);
    session_table_release(table, slot);
    assert_int_equal(session_table_active(table), 0);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(caps_hold),
        cmocka_unit_test(a_64_counts_as_one_address),
        cmocka_unit_test(a_slot_comes_back),
        cmocka_unit_test(children_share_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
