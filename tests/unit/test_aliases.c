/* lib/aliases.h and lib/accounts.h, by way of lib/routing.h. */
#include "control_folder.h"

#include "lib/routing.h"

static struct routing routing;

static void load(struct folder *folder)
{
    folder_write(folder, "me", "local.test\n");
    folder_write(folder, "virtualdomains", "v.test:vera\n");
    if (routing_load(&routing, &folder->control, &folder->error) != CONTROL_OK)
        fail_msg("%s", folder->error.text);
}

static void assert_targets(char const *address, char const *targets, char const *owner)
{
    struct route route;
    routing_find(&routing, address, strlen(address), &route);
    assert_int_equal(route.kind, ROUTE_ALIAS);
    if (route.targets_length != strlen(targets) ||
        memcmp(route.targets, targets, route.targets_length) != 0)
        fail_msg("%s: `%.*s`", address, (int)route.targets_length, route.targets);
    assert_string_equal(route.owner, owner);
}

static void assert_kind(char const *address, enum route_kind kind, char const *mailbox,
                        char const *extension)
{
    struct route route;
    routing_find(&routing, address, strlen(address), &route);
    if (route.kind != kind || strcmp(route.mailbox, mailbox) != 0 ||
        strcmp(route.extension, extension) != 0)
        fail_msg("%s: kind %d, `%s`, `%s`", address, (int)route.kind, route.mailbox,
                 route.extension);
}

static void the_usual_form(void **state)
{
    folder_write(*state, "aliases",
                 "# comment\n"
                 "root: alice\n"
                 "\"quoted name\":  Bob@Other.Test ,carol\n"
                 "staff: alice,\n"
                 "\tbob@other.test,\n"
                 "# in between\n"
                 "   \"odd, name\"@other.test\n"
                 "list: :include:lists/staff\n"
                 "owner-list: alice\n"
                 "gone: /dev/null\n"
                 "info@local.test: alice\n"
                 "info: nobody-else\n"
                 "@v.test: alice\n"
                 "USER: someone\n");
    folder_write(*state, "users", "alice\nuser\nalice-team\n");
    load(*state);
    assert_targets("root@local.test", "alice", "");
    assert_targets("Root", "alice", "");
    assert_targets("quoted name@local.test", "Bob@other.test\ncarol", "");
    assert_targets("staff@local.test", "alice\nbob@other.test\nodd, name@other.test", "");
    assert_targets("list@local.test", ":include:lists/staff", "owner-list@local.test");
    assert_targets("gone@local.test", "/dev/null", "");
    assert_targets("info@local.test", "alice", "");
    assert_targets("user@local.test", "someone", ""); /* before users */
    assert_targets("whoever@v.test", "alice", "");
    assert_kind("root-x@local.test", ROUTE_UNKNOWN, "", ""); /* an alias has no extensions */
    assert_kind("alice-team@local.test", ROUTE_MAILBOX, "alice-team", "");
    assert_kind("alice-x@local.test", ROUTE_MAILBOX, "alice", "x");
    routing_free(&routing);
}

static void reserved_names_may_be_aliases(void **state)
{
    folder_write(*state, "aliases", "postmaster: alice\n");
    load(*state);
    assert_targets("postmaster", "alice", "");
    assert_targets("abuse@local.test", "alice", "");
    routing_free(&routing);
}

static void what_is_wrong_is_said(void **state)
{
    static struct {
        char const *text, *place, *hint;
    } const cases[] = {
        {"root\n", "aliases:1: ", "NAME: TARGET"},
        {"\n a: b\n", "aliases:2: ", "without a blank"},
        {"x: y\nroot: |program\n", "aliases:2: ", ".qmail"},
        {"root: \"|program with words\"\n", "aliases:1: ", ".qmail"},
        {"root: /var/mail/root\n", "aliases:1: ", ".qmail"},
        {"root: root\n", "aliases:1: ", "own target"},
        {"root: \\root, x\n", "aliases:1: ", "own target"},
        {"root: a b\n", "aliases:1: ", "an address"},
        {"root: a@-b-\n", "aliases:1: ", "an address"},
        {"root: <a@b.test>\n", "aliases:1: ", "an address"},
        {"a: b\nroot:\n", "aliases:2: ", "/dev/null"},
        {"a: :include:../../etc/passwd\n", "aliases:1: ", "an address"},
        {"a/b: c\n", "aliases:1: ", "NAME: TARGET"},
        {"@: c\n", "aliases:1: ", "NAME: TARGET"},
    };
    struct folder *const folder = *state;
    folder_write(folder, "me", "local.test\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        folder_write(folder, "aliases", cases[i].text);
        assert_int_equal(routing_load(&routing, &folder->control, &folder->error), CONTROL_ERROR);
        if (!strstr(folder->error.text, cases[i].place) ||
            !strstr(folder->error.text, cases[i].hint))
            fail_msg("`%s`: %s", cases[i].text, folder->error.text);
    }
}

static void entries_are_bounded(void **state)
{
    struct folder *const folder = *state;
    char text[40000] = "a: x";
    size_t length = 4;
    folder_write(folder, "me", "local.test\n");
    /* The targets fit, and one more does not. */
    while (length < 8191 + 3 - 12)
        length += (size_t)sprintf(text + length, ",\n  u%08zu", length);
    folder_write(folder, "aliases", text);
    assert_int_equal(routing_load(&routing, &folder->control, &folder->error), CONTROL_OK);
    routing_free(&routing);
    while (length < 12000)
        length += (size_t)sprintf(text + length, ",\n  u%08zu", length);
    folder_write(folder, "aliases", text);
    assert_int_equal(routing_load(&routing, &folder->control, &folder->error), CONTROL_ERROR);
    assert_non_null(strstr(folder->error.text, ":include:"));
    while (length < 30000)
        length += (size_t)sprintf(text + length, ",\n  u%08zu", length);
    folder_write(folder, "aliases", text);
    assert_int_equal(routing_load(&routing, &folder->control, &folder->error), CONTROL_ERROR);
    assert_non_null(strstr(folder->error.text, "16384"));
}

static void accounts_by_name(void **state)
{
    folder_write(*state, "systemusers", "zoe\nann\nann-mail\nann\n");
    folder_write(*state, "users", "zoe-x\n");
    load(*state);
    assert_kind("ann@local.test", ROUTE_SYSTEM, "ann", "");
    assert_kind("ANN@local.test", ROUTE_SYSTEM, "ann", "");
    assert_kind("ann-Lists-x@local.test", ROUTE_SYSTEM, "ann", "Lists-x");
    assert_kind("ann-mail@local.test", ROUTE_SYSTEM, "ann-mail", "");
    assert_kind("ann-mail-x@local.test", ROUTE_SYSTEM, "ann-mail", "x");
    assert_kind("zoe@local.test", ROUTE_SYSTEM, "zoe", "");
    assert_kind("zoe-x@local.test", ROUTE_MAILBOX, "zoe-x", "");
    assert_kind("bob@local.test", ROUTE_UNKNOWN, "", "");
    assert_kind("root@local.test", ROUTE_UNKNOWN, "", "");
    assert_kind("ann-../../x@local.test", ROUTE_UNKNOWN, "", "");
    routing_free(&routing);
}

static void all_accounts(void **state)
{
    folder_write(*state, "systemusers", "*\n");
    load(*state);
    assert_kind("root@local.test", ROUTE_UNKNOWN, "", "");
    assert_kind("daemon@local.test", ROUTE_UNKNOWN, "", "");
    assert_kind("nobody@local.test", ROUTE_UNKNOWN, "", "");
    routing_free(&routing);
}

static void accounts_that_cannot_be(void **state)
{
    static char const *const lines[] = {"root\n", "Ann\n", "a b\n", "../x\n", "-x\n", "a:b\n", ""};
    struct folder *const folder = *state;
    folder_write(folder, "me", "local.test\n");
    for (size_t i = 0; *lines[i]; i++) {
        folder_write(folder, "systemusers", lines[i]);
        assert_int_equal(routing_load(&routing, &folder->control, &folder->error), CONTROL_ERROR);
        assert_non_null(strstr(folder->error.text, "systemusers:1: "));
    }
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(the_usual_form, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(reserved_names_may_be_aliases, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_said, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(entries_are_bounded, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(accounts_by_name, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(all_accounts, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(accounts_that_cannot_be, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
