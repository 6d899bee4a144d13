/* lib/tlspolicy.h, and deliver/remote_way.h, which puts it together with smtproutes. */
#include "control_folder.h"

#include "deliver/remote_way.h"
#include "lib/smtproutes_parse.h"
#include "lib/tlspolicy.h"

static void load(struct folder *folder, struct table *table, char const *text)
{
    folder_write(folder, "tlspolicy", text);
    if (tlspolicy_load(table, &folder->control, &folder->error) != CONTROL_OK)
        fail_msg("%s", folder->error.text);
}

static void the_most_specific_entry_counts(void **state)
{
    static struct {
        char const *host;
        enum tlspolicy_level level;
        char const *name;
    } const cases[] = {
        {"Here.example", TLSPOLICY_VERIFY, "mx.there.example"},
        {"a.here.example", TLSPOLICY_ENCRYPT, ""},
        {"no.here.example", TLSPOLICY_NONE, ""},
        {"there.example", TLSPOLICY_UNSET, ""},
        {"[192.0.2.1]", TLSPOLICY_NONE, ""},
        {"192.0.2.1", TLSPOLICY_NONE, ""}, /* a relay is without brackets here */
        {"2001:db8::1", TLSPOLICY_UNSET, ""},
        {"2001:db8::2", TLSPOLICY_ENCRYPT, ""},
        {"[IPv6:2001:DB8:0:0::2]", TLSPOLICY_ENCRYPT, ""},
        {"[2001:db8::2", TLSPOLICY_UNSET, ""},
        {"2001:db8::3", TLSPOLICY_VERIFY, "mx.example"},
        {"192.0.2.2", TLSPOLICY_ENCRYPT, ""},
        {"[192.0.2.2]", TLSPOLICY_ENCRYPT, ""},
    };
    struct table table = TABLE_ZERO;
    struct tlspolicy policy;
    load(*state, &table,
         "here.example:verify=MX.There.example\n"
         ".here.example:encrypt\n"
         "no.here.example:none\n"
         "[192.0.2.1]:none\n"
         "192.0.2.2:encrypt\n"
         "[2001:DB8::2]:encrypt\n"
         "[IPv6:2001:db8::3]:verify=mx.example\n"
         ":may\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tlspolicy_find(&policy, &table, cases[i].host);
        if (policy.level != cases[i].level || strcmp(policy.name, cases[i].name) != 0)
            fail_msg("%s: %s %s", cases[i].host, tlspolicy_level_text(policy.level), policy.name);
    }
    tlspolicy_find_default(&policy, &table);
    assert_int_equal(policy.level, TLSPOLICY_MAY);
    table_free(&table);
    tlspolicy_find(&policy, &table, "here.example");
    assert_int_equal(policy.level, TLSPOLICY_UNSET);
    tlspolicy_find_default(&policy, &table);
    assert_int_equal(policy.level, TLSPOLICY_UNSET);
}

static void malformed_entries_are_refused(void **state)
{
    static char const *const cases[] = {
        "here.example",
        "here.example:",
        "here.example:always",
        "here.example:unset",
        "here.example:Verify",
        "here.example:may=mx.example",
        "here.example:verify=",
        "here.example:verify=a b",
        "here.example:verify=b\303\274cher",
        ":verify=mx.example",
        "a b:may",
        "..a:may",
        "user@here.example:may",
        "here.example:may # all",
        "here.example:verify=[192.0.2.1]",
    };
    struct folder *const folder = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct table table = TABLE_ZERO;
        char text[128];
        snprintf(text, sizeof text, "# first\n%s\n", cases[i]);
        folder_write(folder, "tlspolicy", text);
        if (tlspolicy_load(&table, &folder->control, &folder->error) != CONTROL_ERROR)
            fail_msg("taken: %s", cases[i]);
        assert_non_null(strstr(folder->error.text, "/tlspolicy:2: expected "));
    }
}

/* What smtproutes says, then tlspolicy of the host, then a password, then tlspolicy of all. */
static void levels_have_an_order(void **state)
{
    static struct {
        char const *route, *policy;
        enum tlspolicy_level first, second;
        char const *name; /* of the first */
    } const cases[] = {
        {"one", "", TLSPOLICY_MAY, 0, ""},
        {"one", ":encrypt\n", TLSPOLICY_ENCRYPT, 0, ""},
        {"one", "one:none\n:encrypt\n", TLSPOLICY_NONE, 0, ""},
        {"one,two", "two:verify=mx.two\n", TLSPOLICY_MAY, TLSPOLICY_VERIFY, ""},
        {"one,two tls=verify=all", "two:none\n", TLSPOLICY_VERIFY, TLSPOLICY_VERIFY, "all"},
        {"one auth=a", "", TLSPOLICY_VERIFY, 0, ""},
        {"one auth=a", ":may\n", TLSPOLICY_VERIFY, 0, ""},
        {"one auth=a", "one:encrypt\n", TLSPOLICY_ENCRYPT, 0, ""},
        {"one auth=a tls=may", "one:encrypt\n", TLSPOLICY_MAY, 0, ""},
        {"one auth=a clear-auth", "", TLSPOLICY_MAY, 0, ""},
        {"one:465", "", TLSPOLICY_ENCRYPT, 0, ""},
        {"one:465,two", "one:none\n", TLSPOLICY_ENCRYPT, TLSPOLICY_MAY, ""},
        {"one:465", "one:verify\n", TLSPOLICY_VERIFY, 0, ""},
    };
    struct folder *const folder = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct remote_settings settings = {.tlspolicy = TABLE_ZERO};
        struct smtproute route;
        struct remote_ways ways;
        struct failure failure;
        load(folder, &settings.tlspolicy, cases[i].policy);
        char credentials[] = "a\0user\0password";
        settings.credentials =
            (struct remote_credentials){.bytes = credentials, .size = sizeof credentials};
        assert_null(smtproutes_parse(&route, cases[i].route, strlen(cases[i].route)));
        assert_true(remote_ways_make(&ways, &route, &settings, &failure));
        if (ways.ways[0].level != cases[i].first || ways.ways[1].level != cases[i].second ||
            strcmp(ways.ways[0].verify_name, cases[i].name) != 0)
            fail_msg("%s with %s: %s", cases[i].route, cases[i].policy,
                     tlspolicy_level_text(ways.ways[0].level));
        assert_int_equal(ways.count, cases[i].second ? 2 : 1);
        if (route.auth[0]) {
            assert_string_equal(ways.ways[0].user, "user");
            assert_string_equal(ways.ways[0].password, "password");
        } else {
            assert_null(ways.ways[0].user);
        }
        table_free(&settings.tlspolicy);
    }
}

static void missing_credentials_defer(void **state)
{
    struct remote_settings settings = {.tlspolicy = TABLE_ZERO};
    struct smtproute route;
    struct remote_ways ways;
    struct failure failure;
    (void)state;
    assert_null(smtproutes_parse(&route, "one auth=a", 10));
    for (int refused = 0; refused < 2; refused++) {
        settings.credentials.refused = refused;
        assert_false(remote_ways_make(&ways, &route, &settings, &failure));
        assert_int_equal(failure.result, JOB_DEFERRED);
        assert_non_null(strstr(failure.text, refused ? "cannot be read" : "not configured"));
    }
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(the_most_specific_entry_counts, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(malformed_entries_are_refused, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(levels_have_an_order, folder_make, folder_remove),
        cmocka_unit_test(missing_credentials_defer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
