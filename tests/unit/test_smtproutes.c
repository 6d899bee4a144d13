/* lib/smtproutes.h: qmail's smtproutes. */
#include "control_folder.h"

#include "lib/smtproutes.h"

static void load(struct folder *folder, struct table *table, char const *text)
{
    folder_write(folder, "smtproutes", text);
    if (smtproutes_load(table, &folder->control, &folder->error) != CONTROL_OK)
        fail_msg("%s", folder->error.text);
}

static void assert_way(struct table const *table, char const *domain, bool by_mx, char const *host,
                       uint16_t port)
{
    struct smtproute route;
    size_t const length = strlen(domain);
    char *const copy = malloc(length); /* no NUL behind it, for the sanitizers */
    assert_non_null(copy);
    memcpy(copy, domain, length);
    memset(&route, 'x', sizeof route);
    assert_true(smtproutes_find(table, copy, length, "", &route));
    free(copy);
    if (route.by_mx != by_mx || strcmp(route.hosts[0].name, host) != 0 ||
        route.hosts[0].port != port)
        fail_msg("%s: by_mx %d, host `%s`, port %u", domain, route.by_mx, route.hosts[0].name,
                 route.hosts[0].port);
}

static void without_a_file_all_goes_by_mx(void **state)
{
    struct folder *const folder = *state;
    struct table table = TABLE_ZERO;
    assert_int_equal(smtproutes_load(&table, &folder->control, &folder->error), CONTROL_ABSENT);
    assert_way(&table, "Example.ORG", true, "example.org", 25);
    assert_way(&table, "[IPv6:2001:DB8::1]", true, "[ipv6:2001:db8::1]", 25);
    table_free(&table);
}

static void the_most_specific_entry_counts(void **state)
{
    struct table table = TABLE_ZERO;
    load(*state, &table,
         "# comment\n"
         "Here.Example:Relay.Example\n"
         ".here.example:192.0.2.1:2525\n"
         ".deep.here.example:[2001:DB8::1]:26\n"
         "mx.here.example:\n"
         "port.here.example::587\n"
         "four.here.example:[192.0.2.4]\n"
         "[192.0.2.99]:literal.example\n"
         "[IPv6:2001:db8::99]:literal6.example:27\n"
         "b\303\274cher.example:b\303\274cher.example:28\n"
         ":default.example:65535\n");
    assert_way(&table, "HERE.example", false, "relay.example", 25);
    assert_way(&table, "a.here.example", false, "192.0.2.1", 2525);
    assert_way(&table, "deep.here.example", false, "192.0.2.1", 2525);
    assert_way(&table, "x.deep.here.example", false, "2001:db8::1", 26);
    assert_way(&table, "mx.here.example", true, "mx.here.example", 25);
    assert_way(&table, "below.mx.here.example", false, "192.0.2.1", 2525);
    assert_way(&table, "port.here.example", true, "port.here.example", 587);
    assert_way(&table, "four.here.example", false, "192.0.2.4", 25);
    assert_way(&table, "[192.0.2.99]", false, "literal.example", 25);
    assert_way(&table, "[ipv6:2001:db8::99]", false, "literal6.example", 27);
    assert_way(&table, "b\303\274cher.example", false, "b\303\274cher.example", 28);
    assert_way(&table, "nothere.example", false, "default.example", 65535);
    assert_way(&table, "[192.0.2.98]", false, "default.example", 65535);
    table_free(&table);
}

static void what_is_no_domain_is_not_found(void **state)
{
    struct table table = TABLE_ZERO;
    struct smtproute route;
    char name[SMTPROUTES_HOST_MAX + 1];
    memset(name, 'a', sizeof name);
    load(*state, &table, "a:b\n");
    assert_false(smtproutes_find(&table, "", 0, "", &route));
    assert_false(smtproutes_find(&table, "a\0b", 3, "", &route));
    assert_false(smtproutes_find(&table, name, SMTPROUTES_HOST_MAX, "", &route));
    assert_true(smtproutes_find(&table, name, SMTPROUTES_HOST_MAX - 1, "", &route));
    assert_int_equal(strlen(route.hosts[0].name), SMTPROUTES_HOST_MAX - 1);
    table_free(&table);
}

static void malformed_entries_are_refused(void **state)
{
    static char const *const cases[] = {
        "example.org",    "example.org relay", "a b:relay",
        "-a:relay",       "a:relay:",          "a:relay:0",
        "a:relay:65536",  "a:relay:25x",       "a:relay:25:user",
        "a:2001:db8::1",  "a:[2001:db8::1",    "a:[2001:db8::1]25",
        "a:[relay]",      "a:[fe80::1%eth0]",  "a:re lay",
        "a:rel_ay..x",    "[192.0.2.1:relay",  "[300.0.2.1]:relay",
        "..a:relay",      "a:relay:+25",       "a:[]",
        "a:relay:000025", ".:relay",           "a:relay # comment",
    };
    struct folder *const folder = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct table table = TABLE_ZERO;
        char text[128];
        snprintf(text, sizeof text, "# first\n%s\n", cases[i]);
        folder_write(folder, "smtproutes", text);
        if (smtproutes_load(&table, &folder->control, &folder->error) != CONTROL_ERROR)
            fail_msg("taken: %s", cases[i]);
        assert_non_null(strstr(folder->error.text, "/smtproutes:2: expected "));
    }
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(without_a_file_all_goes_by_mx, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(the_most_specific_entry_counts, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(what_is_no_domain_is_not_found, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(malformed_entries_are_refused, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
