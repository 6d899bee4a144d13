/* lib/smtproutes.h: qmail's smtproutes, and what stands behind them. */
#include "control_folder.h"

#include "lib/smtproutes.h"
#include "lib/smtproutes_parse.h"

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

/* The name of the first host that mail for DOMAIN from SENDER goes to. */
static char const *host_of(struct table const *table, char const *domain, char const *sender)
{
    static struct smtproute route;
    assert_true(smtproutes_find(table, domain, strlen(domain), sender, &route));
    return route.hosts[0].name;
}

static void senders_come_after_destinations(void **state)
{
    struct table table = TABLE_ZERO;
    load(*state, &table,
         ":all.example\n"
         "@Sender.example:domain.example\n"
         "Ann@sender.example:ann.example\n"
         "ann@[IPv6:2001:db8::1]:literal.example\n"
         "@sub.sender.example:\n"
         ".here.example:here.example\n"
         "mx.example:\n");
    struct {
        char const *domain, *sender, *host;
    } const cases[] = {
        {"there.example", "", "all.example"},
        {"there.example", "eve@other.example", "all.example"},
        {"there.example", "eve@sender.example", "domain.example"},
        {"there.example", "ann@SENDER.example", "ann.example"},
        {"there.example", "ANN@sender.example", "ann.example"},
        {"there.example", "x\"@y@sender.example", "domain.example"},
        {"there.example", "ann@[ipv6:2001:db8::1]", "literal.example"},
        {"there.example", "ann@sub.sender.example", "there.example"},
        {"a.here.example", "ann@sender.example", "here.example"},
        {"mx.example", "ann@sender.example", "mx.example"},
        {"there.example", "#@[]", "all.example"},
        {"there.example", "ann", "all.example"},
        {"there.example", ".here.example", "all.example"},
        {"there.example", "@", "all.example"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (strcmp(host_of(&table, cases[i].domain, cases[i].sender), cases[i].host) != 0)
            fail_msg("%s from %s: %s", cases[i].domain, cases[i].sender,
                     host_of(&table, cases[i].domain, cases[i].sender));
    table_free(&table);
}

static void options_are_taken(void **state)
{
    static struct {
        char const *text;
        unsigned int count;
        char const *second;
        uint16_t ports[2];
        bool implicit[2];
        enum tlspolicy_level level;
        char const *name, *auth;
        bool clear_auth;
    } const cases[] = {
        {"relay", 1, "", {25}, {false}, TLSPOLICY_UNSET, "", "", false},
        {"relay:465", 1, "", {465}, {true}, TLSPOLICY_UNSET, "", "", false},
        {"relay:465 starttls", 1, "", {465}, {false}, TLSPOLICY_UNSET, "", "", false},
        {"relay implicit", 1, "", {465}, {true}, TLSPOLICY_UNSET, "", "", false},
        {"relay:25 implicit", 1, "", {25}, {true}, TLSPOLICY_UNSET, "", "", false},
        {"relay,[2001:DB8::2]:26", 2, "2001:db8::2", {25, 26}, {0}, TLSPOLICY_UNSET, "", "", 0},
        {"relay:587,Two:465 auth=isp", 2, "two", {587, 465}, {0, 1}, 0, "", "isp", false},
        {"relay:587\tauth=A.b-c_d@e  tls=verify=MX.example",
         1,
         "",
         {587},
         {0},
         TLSPOLICY_VERIFY,
         "mx.example",
         "A.b-c_d@e",
         false},
        {"relay tls=none auth=x clear-auth", 1, "", {25}, {0}, TLSPOLICY_NONE, "", "x", true},
        {"relay tls=may auth=x", 1, "", {25}, {0}, TLSPOLICY_MAY, "", "x", false},
        {"192.0.2.1 tls=verify=a.example", 1, "", {25}, {0}, TLSPOLICY_VERIFY, "a.example", "", 0},
        {" tls=encrypt", 1, "", {25}, {0}, TLSPOLICY_ENCRYPT, "", "", false},
        {":465", 1, "", {465}, {true}, TLSPOLICY_UNSET, "", "", false},
        {"lmtp:/run/Dovecot/lmtp", 1, "", {0}, {0}, TLSPOLICY_UNSET, "", "", false},
        {"lmtp:A.example:24", 1, "", {24}, {0}, TLSPOLICY_UNSET, "", "", false},
        {"lmtp:[::1]:24,lmtp:/b tls=encrypt", 2, "/b", {24, 0}, {0}, TLSPOLICY_ENCRYPT, "", "", 0},
        {"lmtp:/a,b auth=x tls=verify", 2, "b", {0, 25}, {0}, TLSPOLICY_VERIFY, "", "x", false},
        {"lmtp:a:465", 1, "", {465}, {true}, TLSPOLICY_UNSET, "", "", false},
        {"lmtp", 1, "", {25}, {false}, TLSPOLICY_UNSET, "", "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct smtproute route;
        char const *const problem = smtproutes_parse(&route, cases[i].text, strlen(cases[i].text));
        if (problem)
            fail_msg("%s: %s", cases[i].text, problem);
        if (route.count != cases[i].count || strcmp(route.hosts[1].name, cases[i].second) != 0 ||
            route.tls.level != cases[i].level || strcmp(route.tls.name, cases[i].name) != 0 ||
            strcmp(route.auth, cases[i].auth) != 0 || route.clear_auth != cases[i].clear_auth)
            fail_msg("%s: came out as something else", cases[i].text);
        for (unsigned int host = 0; host < 2; host++)
            if (route.hosts[host].port != cases[i].ports[host] ||
                route.hosts[host].implicit != cases[i].implicit[host])
                fail_msg("%s: host %u, port %u", cases[i].text, host, route.hosts[host].port);
    }
    (void)state;
}

static void mistakes_are_explained(void **state)
{
    static struct {
        char const *text, *hint;
    } const cases[] = {
        {"one,two,three", "two hosts at most"},
        {",two", "by MX there is no second host"},
        {"one,", "by MX there is no second host"},
        {"[2001:db8::1],two:x", "PORT is a number"},
        {"one tls=always", "tls= takes"},
        {"one tls=", "tls= takes"},
        {"one tls=may tls=may", "tls= takes"},
        {"one tls=encrypt=one", "tls= takes"},
        {"one tls=verify=", "tls= takes"},
        {"one tls=verify=192.0.2.1:25", "tls= takes"},
        {"one tls", "the options are"},
        {"one TLS=may", "the options are"},
        {"one secret", "the options are"},
        {"one implicit=1", "the options are"},
        {"one implicit starttls", "without implicit"},
        {"one starttls implicit", "without starttls"},
        {"one implicit implicit", "once"},
        {"one auth=", "auth= takes"},
        {"one auth=a:b", "auth= takes"},
        {"one auth=a auth=b", "auth= takes"},
        {"one clear-auth", "without auth="},
        {"one clear-auth clear-auth auth=a", "clear-auth stands there once"},
        {" auth=a", "needs a HOST"},
        {":587 auth=a", "needs a HOST"},
        {"one auth=a tls=none", "clear-auth"},
        {"one:465 tls=may", "encrypt or verify"},
        {"one implicit tls=none", "encrypt or verify"},
        {"192.0.2.1 tls=verify", "tls=verify=NAME"},
        {"one,[2001:db8::1] tls=verify", "tls=verify=NAME"},
        {"one # a comment", "a line of its own"},
        {"lmtp:", "lmtp:/PATH or"},
        {"lmtp:24", "lmtp:/PATH or"},
        {"lmtp::24", "lmtp:/PATH or"},
        {"lmtp:a", "lmtp:/PATH or"},
        {"lmtp:a:0", "PORT is"},
        {"lmtp:[::1]", "lmtp:/PATH or"},
        {"lmtp:/", "path of a socket"},
        {"lmtp:/a/", "path of a socket"},
        {"lmtp:/a\001b", "path of a socket"},
        {"lmtp:/"
         "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
         "56789012345678901234567",
         "path of a socket"},
        {"lmtp:a/b:24", "HOST is"},
        {"lmtp:/a:24 tls=verify", "no TLS and no AUTH"},
        {"lmtp:/a implicit", "no TLS and no AUTH"},
        {"lmtp:/a,lmtp:/b auth=x", "no TLS and no AUTH"},
        {"LMTP:/a", "PORT is"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct smtproute route;
        char const *const problem = smtproutes_parse(&route, cases[i].text, strlen(cases[i].text));
        if (!problem || !strstr(problem, cases[i].hint))
            fail_msg("%s: %s", cases[i].text, problem ? problem : "taken");
    }
    (void)state;
}

static void each_part_makes_a_way_different(void **state)
{
    static char const *const texts[] = {
        "one",
        "two",
        "one:26",
        "one,two",
        "one,two:26",
        "one implicit",
        "one:465",
        "one:465 starttls",
        "one tls=may",
        "one tls=verify",
        "one tls=verify=two",
        "one auth=a",
        "one auth=b",
        "one auth=a clear-auth",
        "",
        ":26",
        "lmtp:one:25",
        "lmtp:one:24",
        "lmtp:/one",
        "lmtp:/two",
        "lmtp:/one,two",
    };
    enum { COUNT = sizeof texts / sizeof *texts };
    struct smtproute routes[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        assert_null(smtproutes_parse(routes + i, texts[i], strlen(texts[i])));
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < COUNT; j++) {
            /* `implicit` alone is port 465 */
            bool const same = i == j || (i == 5 && j == 6) || (i == 6 && j == 5);
            if (smtproutes_are_same(routes + i, routes + j) != same ||
                (smtproutes_sum(routes + i, 1) == smtproutes_sum(routes + j, 1)) != same ||
                smtproutes_sum(routes + i, 1) == smtproutes_sum(routes + j, 2))
                fail_msg("`%s` and `%s`", texts[i], texts[j]);
        }
    (void)state;
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
        "@:relay",        "a@:relay",          "a@.b:relay",
        "a\001b@c:relay", "a@b c:relay",       "@.c:relay",
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
        cmocka_unit_test_setup_teardown(senders_come_after_destinations, folder_make,
                                        folder_remove),
        cmocka_unit_test(options_are_taken),
        cmocka_unit_test(mistakes_are_explained),
        cmocka_unit_test(each_part_makes_a_way_different),
        cmocka_unit_test_setup_teardown(malformed_entries_are_refused, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
