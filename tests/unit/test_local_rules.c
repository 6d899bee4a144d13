/* smtpd/local_rules.h: what a client says of itself. The rest needs a client: test_judgement.py. */
#include "control_folder.h"

#include "smtpd/local_rules.h"
#include "smtpd/settings.h"

struct fixture {
    struct folder *folder;
    struct settings settings;
    struct connection connection;
    struct judgement judgement;
};

static struct fixture fixture;
static struct stream stream;
static struct spf_identities spf;

static void load(struct folder *folder, char const *checks, char const *remote)
{
    folder_write(folder, "me", "mail.here.example\n");
    folder_write(folder, "locals", "here.example\n");
    folder_write(folder, "checks", checks);
    memset(&fixture, 0, sizeof fixture);
    if (settings_load(&fixture.settings, &folder->control, &folder->error) == CONTROL_ERROR)
        fail_msg("%s", folder->error.text);
    fixture.connection.settings = &fixture.settings;
    fixture.connection.has_remote = true;
    assert_true(ip46_scan(remote, &fixture.connection.remote));
    assert_true(ip46_scan("192.0.2.25", &fixture.connection.local));
    stream.connection = &fixture.connection;
    judgement_start(&fixture.judgement, &stream, &spf);
}

static struct finding hello(char const *name)
{
    struct finding decided;
    local_rules_hello(&fixture.judgement, name, strlen(name), &decided);
    return decided;
}

static void our_names_are_ours(void **state)
{
    static char const *const ours[] = {"mail.here.example", "HERE.example", "[192.0.2.25]",
                                       "[IPv6:::ffff:192.0.2.25]", "here.example."};
    static char const *const others[] = {"here.example.org", "a.here.example", "[192.0.2.26]",
                                         "localhost", "192.0.2.25"};
    load(*state, "helo-us refuse\n", "192.0.2.7");
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        struct finding const decided = hello(ours[i]);
        assert_int_equal(decided.verdict, FINDING_REFUSE);
        assert_int_equal(decided.number, 550);
        assert_string_equal(decided.rule, "helo-us");
        assert_string_equal(decided.place, "checks:1");
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(hello(others[i]).verdict, FINDING_NOTHING);
    settings_free(&fixture.settings);
}

static void this_host_may_use_its_name(void **state)
{
    static char const *const own[] = {"127.0.0.1", "127.9.9.9", "::1", "192.0.2.25"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        load(*state, "helo-us refuse\n", own[i]);
        assert_int_equal(hello("here.example").verdict, FINDING_NOTHING);
        settings_free(&fixture.settings);
    }
}

static void who_is_exempt_may_say_anything(void **state)
{
    folder_write(*state, "relayclients", "192.0.2.0/24\n");
    load(*state, "helo-us refuse\nhelo-syntax refuse\n", "192.0.2.7");
    assert_int_equal(hello("here.example").verdict, FINDING_NOTHING);
    assert_int_equal(hello("a b").verdict, FINDING_NOTHING);
    settings_free(&fixture.settings);
}

static void each_action_has_its_verdict(void **state)
{
    load(*state, "helo-us log\nhelo-syntax defer\n", "192.0.2.7");
    assert_int_equal(hello("here.example").verdict, FINDING_NOTHING);
    assert_string_equal(fixture.judgement.noted, "helo-us");
    struct finding const decided = hello("192.0.2.7");
    assert_int_equal(decided.verdict, FINDING_DEFER);
    assert_int_equal(decided.number, 450);
    assert_string_equal(decided.status, "4.5.4");
    settings_free(&fixture.settings);
}

static void the_syntax_of_names(void **state)
{
    static char const *const good[] = {"a",           "a.b",        "a-b.c1",        "x.1a",
                                       "[192.0.2.7]", "[IPv6:::1]", "_dmarc.example"};
    static char const *const bad[] = {"192.0.2.7", "a.1", "1",   "[192.0.2]", "[192.0.2.7", "a..b",
                                      ".a",        "a.",  "a b", "a,b",       "[]",         "a:b"};
    load(*state, "helo-syntax refuse\n", "192.0.2.7");
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (hello(good[i]).verdict != FINDING_NOTHING)
            fail_msg("%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (hello(bad[i]).number != 501)
            fail_msg("%s", bad[i]);
    settings_free(&fixture.settings);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(our_names_are_ours, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(this_host_may_use_its_name, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(who_is_exempt_may_say_anything, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(each_action_has_its_verdict, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(the_syntax_of_names, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
