/* The control file `destlimits`. */
#include "control_folder.h"

#include "lib/smtproutes_parse.h"
#include "queue/send_limits.h"

static void load(struct folder *folder, struct table *table, char const *text)
{
    folder_write(folder, "destlimits", text);
    if (send_limits_load(table, &folder->control, &folder->error) != CONTROL_OK)
        fail_msg("%s", folder->error.text);
}

/* Of mail by MX to the domain ROUTE, or by the relay that stands behind a colon. */
static struct send_limits find(struct table const *table, char const *route)
{
    struct smtproute parsed;
    if (route[0] == ':') {
        assert_null(smtproutes_parse(&parsed, route + 1, strlen(route + 1)));
    } else {
        assert_null(smtproutes_parse(&parsed, "", 0));
        snprintf(parsed.hosts[0].name, sizeof parsed.hosts[0].name, "%s", route);
    }
    return send_limits_find(table, &parsed);
}

static void the_most_specific_entry_counts(void **state)
{
    static struct {
        char const *route;
        uint32_t rate, connections;
    } const cases[] = {
        {"big.example", 60, 5},       {"a.big.example", 0, 2},
        {"x.a.big.example", 0, 2},    {"b.big.example", 7, 0},
        {"other.example", 600, 3},    {":relay.example", 0, 9},
        {":relay.example:587", 8, 0}, {":relay.example:2525,big.example", 0, 9},
        {":[2001:db8::1]", 11, 0},    {"[ipv6:2001:db8::1]", 11, 0},
        {":192.0.2.1", 12, 0},        {"[192.0.2.1]", 12, 0},
        {":[2001:db8::2]:26", 14, 1},
    };
    struct table table = TABLE_ZERO;
    load(*state, &table,
         "# limits\n"
         "Big.example:60/m 5\n"
         ".big.example:2\n"
         "b.big.example:7/m\n"
         "relay.example:9\n"
         "relay.example:587:8/m\n"
         "[2001:db8::1]:11/m\n"
         "192.0.2.1:12/m\n"
         "[2001:db8::2]:26:  1\t14/m\n"
         ":3 600/m\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct send_limits const limits = find(&table, cases[i].route);
        if (limits.rate != cases[i].rate || limits.connections != cases[i].connections)
            fail_msg("%s: %u %u", cases[i].route, limits.rate, limits.connections);
    }
    table_free(&table);
    assert_int_equal(find(&table, "big.example").rate, 0);
    assert_int_equal(find(&table, "big.example").connections, 0);
}

static void malformed_entries_are_refused(void **state)
{
    static char const *const cases[] = {
        "big.example",
        "big.example:",
        "big.example: ",
        "big.example:0",
        "big.example:0/m",
        "big.example:/m",
        "big.example:501",
        "big.example:60001/m",
        "big.example:60/h",
        "big.example:5 6",
        "big.example:5/m 6/m",
        "big.example:5 6/m 7",
        "big.example:-5",
        "big.example:5x",
        "big.example:99999999999",
        "big..example:5",
        "a b:5",
        ".big.example:25:5",
        "big.example:0:5",
        "big.example:65536:5",
        "big.example:x:5",
        "2001:db8::1:5",
        "[2001:db8::1:5",
        "user@big.example:5",
        "[2001:db8::1]x:5",
    };
    struct folder *const folder = *state;
    struct table table = TABLE_ZERO;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        folder_write(folder, "destlimits", cases[i]);
        if (send_limits_load(&table, &folder->control, &folder->error) != CONTROL_ERROR)
            fail_msg("`%s` is taken", cases[i]);
        folder_assert_error_part(folder, "destlimits:1: ", "messages a minute");
    }
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(the_most_specific_entry_counts, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(malformed_entries_are_refused, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
