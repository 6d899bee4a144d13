#include "control_folder.h"

#include "auth/gate.h"

#define SECOND  UINT64_C(1000000)
#define MINUTE  (60 * SECOND)
#define NOW     UINT64_C(1800000000000000)
#define ADDRESS "192.0.2.1"
#define LIMIT   20

static struct store store;
static struct gate gate;

static int open_store(void **state)
{
    if (folder_make(state) != 0)
        return -1;
    struct folder const *const folder = *state;
    return store_open(&store, folder->control.directory, &remembered_form, false) ? 0 : -1;
}

static int close_store(void **state)
{
    store_close(&store);
    return folder_remove(state);
}

/* A try whose password is wrong (or whose process was killed): the verdict and the delay. */
static enum gate_verdict try_wrong(char const *address, char const *user, uint64_t now,
                                   unsigned int *delay)
{
    gate_start(&gate, &store, LIMIT, 8, address, user);
    return gate_enter(&gate, now, false, delay);
}

static void try_wrong_often(unsigned int count, char const *address, char const *user, uint64_t now)
{
    unsigned int delay;
    for (unsigned int i = 0; i < count; i++)
        assert_int_equal(try_wrong(address, user, now, &delay), GATE_PASS);
}

/* A try whose password is right: it must pass, after EXPECTED milliseconds. */
static void succeed(char const *address, char const *user, uint64_t now, unsigned int expected)
{
    unsigned int delay = 77;
    gate_start(&gate, &store, LIMIT, 8, address, user);
    assert_int_equal(gate_enter(&gate, now, false, &delay), GATE_PASS);
    assert_int_equal(delay, expected);
    assert_true(gate_leave(&gate, now, GATE_RIGHT));
}

/* It is over the limit, and still so when it looks again: refused. */
static void assert_refused(char const *address, char const *user, uint64_t now, char const *whose)
{
    unsigned int delay;
    enum gate_verdict verdict = try_wrong(address, user, now, &delay);
    if (verdict == GATE_AGAIN)
        verdict = gate_enter(&gate, now, true, &delay);
    assert_int_equal(verdict, GATE_REFUSED);
    assert_string_equal(gate.limited, whose);
}

static void test_delays_then_refuses(void **state)
{
    static unsigned int const delays[LIMIT] = {0,    0,    0,    0,    0,    1000, 2000,
                                               4000, 8000, 8000, 8000, 8000, 8000, 8000,
                                               8000, 8000, 8000, 8000, 8000, 8000};
    unsigned int delay;
    (void)state;
    for (unsigned int i = 0; i < LIMIT; i++) {
        assert_int_equal(try_wrong(ADDRESS, i % 2 ? "alice" : "bob", NOW, &delay), GATE_PASS);
        assert_int_equal(delay, delays[i]);
    }
    assert_int_equal(try_wrong(ADDRESS, "carol", NOW, &delay), GATE_AGAIN);
    assert_int_equal(delay, 8000);
    assert_int_equal(gate_enter(&gate, NOW, true, &delay), GATE_REFUSED);
    /* For 15 minutes, and tries meanwhile do not make it longer. */
    assert_int_equal(try_wrong(ADDRESS, "alice", NOW + 15 * MINUTE - SECOND, &delay), GATE_REFUSED);
    assert_int_equal(delay, 1000);
    assert_int_equal(try_wrong(ADDRESS, "alice", NOW + 15 * MINUTE + 1, &delay), GATE_PASS);
    assert_int_equal(delay, 8000);
    /* Everybody else is served. */
    assert_int_equal(try_wrong("192.0.2.2", "alice", NOW, &delay), GATE_PASS);
    assert_int_equal(delay, 0);
    /* And some time later all is forgotten. */
    assert_int_equal(try_wrong(ADDRESS, "alice", NOW + 60 * MINUTE, &delay), GATE_PASS);
    assert_int_equal(delay, 0);
}

/* Many addresses against one user; others are served, and so is the user from where he was. */
static void test_user(void **state)
{
    char address[32];
    unsigned int delay;
    (void)state;
    succeed("198.51.100.7", "alice", NOW - MINUTE, 0);
    for (unsigned int i = 0; i < 2 * LIMIT; i++) {
        snprintf(address, sizeof address, "192.0.2.%u", i);
        assert_int_equal(try_wrong(address, "alice", NOW, &delay), GATE_PASS);
        assert_int_equal(delay, i < LIMIT ? 0 : i - LIMIT > 3 ? 8000 : 1000 << (i - LIMIT));
    }
    assert_refused("192.0.2.200", "alice", NOW, "user");
    assert_int_equal(try_wrong("192.0.2.200", "bob", NOW, &delay), GATE_PASS);
    succeed("198.51.100.7", "alice", NOW, 0);
    succeed("198.51.100.7", "alice", NOW + 10 * MINUTE, 0);
}

/* A neighbour behind the same address does not lock out who was there before. */
static void test_known_pair(void **state)
{
    unsigned int delay;
    (void)state;
    succeed(ADDRESS, "alice", NOW - MINUTE, 0);
    try_wrong_often(LIMIT, ADDRESS, "bob", NOW);
    assert_refused(ADDRESS, "bob", NOW, "address");
    succeed(ADDRESS, "alice", NOW, 0);
    /* Who tries alice's password there is let through slowly, and so is she: but let through. */
    try_wrong_often(LIMIT, ADDRESS, "alice", NOW);
    for (unsigned int i = 1; i <= 8; i++) {
        assert_int_equal(try_wrong(ADDRESS, "alice", NOW, &delay), GATE_PASS);
        assert_int_equal(delay, i * 1000);
    }
    assert_refused(ADDRESS, "alice", NOW, "user-at-address"); /* eight wait already */
    assert_int_equal(try_wrong(ADDRESS, "alice", NOW + SECOND, &delay), GATE_PASS);
    assert_int_equal(delay, 8000);
    succeed(ADDRESS, "alice", NOW + 20 * SECOND, 1000);
    /* None of this counted for the address or the user. */
    assert_int_equal(try_wrong("192.0.2.2", "alice", NOW, &delay), GATE_PASS);
    assert_int_equal(delay, 0);
    /* 30 days without a success, and it is known no more. */
    succeed(ADDRESS, "alice", NOW + 20 * STORE_DAY, 0);
    try_wrong_often(1, ADDRESS, "alice", NOW + 49 * STORE_DAY);
    assert_true(gate.is_known);
    try_wrong_often(1, ADDRESS, "alice", NOW + 51 * STORE_DAY);
    assert_false(gate.is_known);
}

static void test_right_passwords(void **state)
{
    struct gate gates[LIMIT];
    unsigned int delay;
    (void)state;
    for (unsigned int i = 0; i < 40; i++)
        succeed(ADDRESS, "alice", NOW, 0);
    /* Others of the same address: what was right is no failure. */
    for (unsigned int i = 0; i < 40; i++) {
        char user[16];
        snprintf(user, sizeof user, "user%u", i);
        succeed(ADDRESS, user, NOW, 0);
    }
    /* A program that opens many connections at its first start is not refused. */
    for (unsigned int i = 0; i < LIMIT; i++) {
        gate_start(&gates[i], &store, LIMIT, 8, "192.0.2.9", "dora");
        assert_int_equal(gate_enter(&gates[i], NOW, false, &delay), GATE_PASS);
    }
    gate_start(&gate, &store, LIMIT, 8, "192.0.2.9", "dora");
    assert_int_equal(gate_enter(&gate, NOW, false, &delay), GATE_AGAIN);
    for (unsigned int i = 0; i < LIMIT; i++)
        assert_true(gate_leave(&gates[i], NOW + SECOND, GATE_RIGHT));
    assert_int_equal(gate_enter(&gate, NOW + 8 * SECOND, true, &delay), GATE_PASS);
    assert_int_equal(delay, 0);
    assert_true(gate.is_known);
}

/* A check that failed itself counts for nothing, and makes nobody known. */
static void test_undecided(void **state)
{
    unsigned int delay;
    (void)state;
    for (unsigned int i = 0; i < 30; i++) {
        assert_int_equal(try_wrong(ADDRESS, "alice", NOW, &delay), GATE_PASS);
        assert_int_equal(delay, 0);
        assert_false(gate.is_known);
        assert_true(gate_leave(&gate, NOW, GATE_UNDECIDED));
    }
}

static void test_addresses(void **state)
{
    unsigned int delay;
    (void)state;
    try_wrong_often(LIMIT, "2001:db8:1:2::1", "u", NOW);
    assert_refused("2001:db8:1:2:ffff:ffff:ffff:ffff", "v", NOW, "address");
    assert_int_equal(try_wrong("2001:db8:1:3::1", "w", NOW, &delay), GATE_PASS);
    try_wrong_often(LIMIT, "::ffff:192.0.2.1", "x", NOW);
    assert_refused("192.0.2.1", "y", NOW, "address");
    try_wrong_often(LIMIT, "fe80::1%eth0", "z", NOW);
    assert_refused("fe80::2%eth1", "z2", NOW, "address");
    /* Without an address only the user counts. */
    try_wrong_often(LIMIT, NULL, "a", NOW);
    try_wrong_often(LIMIT, "nonsense", "a", NOW);
    assert_refused("", "a", NOW, "user");
    assert_int_equal(try_wrong(NULL, "b", NOW, &delay), GATE_PASS);
}

static void test_clock(void **state)
{
    unsigned int delay;
    (void)state;
    try_wrong_often(LIMIT, ADDRESS, "alice", NOW);
    assert_refused(ADDRESS, "alice", NOW, "address");
    assert_int_equal(try_wrong(ADDRESS, "alice", NOW - 365 * STORE_DAY, &delay), GATE_PASS);
    assert_int_equal(delay, 0);
    try_wrong_often(LIMIT - 1, ADDRESS, "alice", NOW - 365 * STORE_DAY);
    assert_int_equal(try_wrong(ADDRESS, "alice", NOW + 365 * STORE_DAY, &delay), GATE_PASS);
    assert_int_equal(delay, 0);
}

static void test_off(void **state)
{
    unsigned int delay;
    (void)state;
    for (unsigned int i = 0; i < 1000; i++) {
        gate_start(&gate, &store, 0, 8, ADDRESS, "alice");
        assert_int_equal(gate_enter(&gate, NOW, false, &delay), GATE_PASS);
        assert_int_equal(delay, 0);
    }
    assert_true(gate_leave(&gate, NOW, GATE_RIGHT));
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(test_delays_then_refuses, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_user, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_known_pair, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_right_passwords, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_undecided, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_addresses, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_clock, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_off, open_store, close_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
