#include "control_folder.h"

#include <strings.h>

#include "lib/routing.h"

static void write_standard(struct folder *folder)
{
    folder_write(folder, "me", "Mail.Local.Test\n");
    folder_write(folder, "locals", "local.test\nMAIL.local.test\nlocalhost\n");
    folder_write(folder, "virtualdomains",
                 "virtual.test:vera\n.sub.test:sub\nfree.sub.test:\nsingle@other.test:u1\n"
                 "local.test:never\nowned.test:team-x\n");
    folder_write(
        folder, "users",
        "u1\nu2:people/U2\nAnna\ninfo@local.test\ninfo@virtual.test:shop\nvera\nvera-deep\n"
        "sub-joe\nu1-list\nteam\n\303\244nne\ndom-x@local.test\n");
}

static void load(struct folder *folder, struct routing *routing)
{
    if (routing_load(routing, &folder->control, &folder->error) != CONTROL_OK)
        fail_msg("%s", folder->error.text);
}

static void assert_route(struct routing const *routing, char const *address, enum route_kind kind,
                         char const *mailbox, char const *extension)
{
    struct route route;
    memset(&route, 'x', sizeof route);
    /* A copy without a NUL behind it, for the sanitizers. */
    size_t length = strlen(address);
    char *copy = malloc(length + 1);
    assert_non_null(copy);
    memcpy(copy + 1, address, length);
    routing_find(routing, copy + 1, length, &route);
    free(copy);
    if (route.kind != kind || strcmp(route.mailbox, mailbox) != 0 ||
        strcmp(route.extension, extension) != 0)
        fail_msg("%s: kind %d, mailbox `%s`, extension `%s`", address, (int)route.kind,
                 route.mailbox, route.extension);
}

static void assert_unknown(struct routing const *routing, char const *address)
{
    assert_route(routing, address, ROUTE_UNKNOWN, "", "");
}

static void assert_remote(struct routing const *routing, char const *address)
{
    assert_route(routing, address, ROUTE_REMOTE, "", "");
}

static void test_names(void **state)
{
    struct routing routing;
    write_standard(*state);
    load(*state, &routing);
    assert_string_equal(routing.me, "mail.local.test");
    assert_string_equal(routing.localiphost, "mail.local.test");
    assert_route(&routing, "u1@local.test", ROUTE_MAILBOX, "u1", "");
    assert_route(&routing, "U1@LOCAL.TEST", ROUTE_MAILBOX, "u1", "");
    assert_route(&routing, "u1@mail.local.test", ROUTE_MAILBOX, "u1", "");
    assert_route(&routing, "u1", ROUTE_MAILBOX, "u1", "");
    assert_route(&routing, "u2@local.test", ROUTE_MAILBOX, "people/U2", "");
    assert_route(&routing, "anna@local.test", ROUTE_MAILBOX, "anna", "");
    assert_route(&routing, "\303\244nne@local.test", ROUTE_MAILBOX, "\303\244nne", "");
    assert_route(&routing, "info@local.test", ROUTE_MAILBOX, "local.test/info", "");
    assert_unknown(&routing, "info@mail.local.test");
    assert_unknown(&routing, "nobody@local.test");
    assert_unknown(&routing, "u@local.test");
    assert_unknown(&routing, "u11@local.test");
    assert_remote(&routing, "u1@other.test");
    assert_remote(&routing, "u1@x.local.test");
    assert_remote(&routing, "u1@xlocal.test");
    assert_remote(&routing, "u1@local.test.");
    assert_remote(&routing, "u1@");
    assert_remote(&routing, "");
    assert_unknown(&routing, "@local.test");
    assert_remote(&routing, "u1@[127.0.0.1]");
    routing_free(&routing);
}

static void test_extensions(void **state)
{
    struct routing routing;
    write_standard(*state);
    load(*state, &routing);
    assert_route(&routing, "u1-a@local.test", ROUTE_MAILBOX, "u1", "a");
    assert_route(&routing, "u1-A-b@local.test", ROUTE_MAILBOX, "u1", "A-b");
    assert_route(&routing, "u1-@local.test", ROUTE_MAILBOX, "u1", "");
    assert_route(&routing, "u1-default@local.test", ROUTE_MAILBOX, "u1", "default");
    assert_route(&routing, "u1-list@local.test", ROUTE_MAILBOX, "u1-list", "");
    assert_route(&routing, "u1-list-owner@local.test", ROUTE_MAILBOX, "u1-list", "owner");
    assert_route(&routing, "info-x@local.test", ROUTE_MAILBOX, "local.test/info", "x");
    assert_route(&routing, "dom-x-y@local.test", ROUTE_MAILBOX, "local.test/dom-x", "y");
    assert_unknown(&routing, "u1+x@local.test");
    assert_unknown(&routing, "u3-u1@local.test");
    assert_unknown(&routing, "-u1@local.test");
    char dashes[260] = "u1";
    memset(dashes + 2, '-', 200);
    memcpy(dashes + 202, "@local.test", sizeof "@local.test");
    struct route route;
    routing_find(&routing, dashes, strlen(dashes), &route);
    assert_int_equal(route.kind, ROUTE_MAILBOX);
    assert_string_equal(route.mailbox, "u1");
    assert_int_equal(strlen(route.extension), 199);
    routing_free(&routing);
}

static void test_virtual_domains(void **state)
{
    struct routing routing;
    write_standard(*state);
    load(*state, &routing);
    assert_route(&routing, "any@Virtual.test", ROUTE_MAILBOX, "vera", "any");
    assert_route(&routing, "deep-x@virtual.test", ROUTE_MAILBOX, "vera-deep", "x");
    assert_route(&routing, "info@virtual.test", ROUTE_MAILBOX, "shop", "");
    assert_route(&routing, "info-x@virtual.test", ROUTE_MAILBOX, "shop", "x");
    assert_route(&routing, "joe@a.sub.test", ROUTE_MAILBOX, "sub-joe", "");
    assert_route(&routing, "joe@a.b.sub.test", ROUTE_MAILBOX, "sub-joe", "");
    assert_unknown(&routing, "jane@a.sub.test");
    assert_remote(&routing, "joe@sub.test");
    assert_remote(&routing, "joe@free.sub.test");
    assert_route(&routing, "Single@other.test", ROUTE_MAILBOX, "u1", "Single");
    assert_remote(&routing, "double@other.test");
    assert_route(&routing, "a@owned.test", ROUTE_MAILBOX, "team", "x-a");
    /* locals goes before virtualdomains, as in qmail. */
    assert_route(&routing, "u1@local.test", ROUTE_MAILBOX, "u1", "");
    routing_free(&routing);
}

static void test_catch_all(void **state)
{
    struct folder *folder = *state;
    struct routing routing;
    folder_write(folder, "me", "local.test\n");
    folder_write(folder, "virtualdomains", ":all\nnot.test:\n");
    folder_write(folder, "users", "all\nu1\n");
    load(folder, &routing);
    assert_route(&routing, "a@b.test", ROUTE_MAILBOX, "all", "a");
    assert_remote(&routing, "a@not.test");
    assert_route(&routing, "u1@local.test", ROUTE_MAILBOX, "u1", "");
    assert_unknown(&routing, "a@local.test");
    assert_remote(&routing, "a@[192.0.2.1]");
    assert_unknown(&routing, "../a@b.test");
    routing_free(&routing);
}

/* RFC 5321 4.5.1, RFC 2142. */
static void test_postmaster(void **state)
{
    struct folder *folder = *state;
    struct routing routing;
    folder_write(folder, "me", "local.test\n");
    load(folder, &routing);
    assert_route(&routing, "Postmaster", ROUTE_MAILBOX, "postmaster", "");
    assert_route(&routing, "POSTMASTER@local.test", ROUTE_MAILBOX, "postmaster", "");
    assert_route(&routing, "abuse@local.test", ROUTE_MAILBOX, "postmaster", "");
    assert_route(&routing, "MAILER-DAEMON@local.test", ROUTE_MAILBOX, "postmaster", "");
    assert_unknown(&routing, "postmaster-x@local.test");
    assert_unknown(&routing, "postmaste@local.test");
    assert_unknown(&routing, "root@local.test");
    assert_unknown(&routing, "u1");
    assert_remote(&routing, "postmaster@other.test");
    routing_free(&routing);

    folder_write(folder, "locals", "other.test\nvirtual.test\n");
    folder_write(folder, "virtualdomains", "virtual.test:x\nv2.test:v\nv3.test:w\n");
    folder_write(folder, "users",
                 "postmaster:people/chief\nmailer\nabuse@other.test:desk\nv\n"
                 "w-postmaster\nw\n");
    load(folder, &routing);
    assert_route(&routing, "Postmaster", ROUTE_MAILBOX, "people/chief", "");
    assert_route(&routing, "postmaster@Local.test", ROUTE_MAILBOX, "people/chief", "");
    assert_remote(&routing, "abuse@local.test");
    assert_remote(&routing, "postmaster-x@local.test");
    assert_remote(&routing, "mailer@local.test");
    assert_route(&routing, "mailer", ROUTE_MAILBOX, "mailer", "");
    assert_unknown(&routing, "nobody-here");
    assert_route(&routing, "abuse@other.test", ROUTE_MAILBOX, "desk", "");
    assert_route(&routing, "abuse@virtual.test", ROUTE_MAILBOX, "people/chief", "");
    assert_route(&routing, "mailer-daemon@other.test", ROUTE_MAILBOX, "people/chief", "");
    assert_route(&routing, "mailer-x@other.test", ROUTE_MAILBOX, "mailer", "x");
    assert_route(&routing, "postmaster-x@other.test", ROUTE_MAILBOX, "people/chief", "x");
    assert_route(&routing, "postmaster@v2.test", ROUTE_MAILBOX, "v", "postmaster");
    assert_route(&routing, "mailer-daemon@v2.test", ROUTE_MAILBOX, "v", "mailer-daemon");
    assert_route(&routing, "abuse@v3.test", ROUTE_MAILBOX, "w-postmaster", "");
    routing_free(&routing);
}

/* Cases E07 to E10, E17, F07 to F21 of the attack list: nothing here has a mailbox, nor is it
 * somebody else's mail when the domain is ours. */
static void test_attacks(void **state)
{
    static char const *const unknown[] = {"${run{/bin/id}}@local.test",
                                          "%{u1}@local.test",
                                          "$h@local.test",
                                          "|/bin/sh@local.test",
                                          "/etc/passwd@local.test",
                                          ":include:/etc/shadow@local.test",
                                          "~root@local.test",
                                          "\\u1@local.test",
                                          "../../x@local.test",
                                          "u1/../u2@local.test",
                                          ".@local.test",
                                          "..@local.test",
                                          "u1/@local.test",
                                          "/@local.test",
                                          "/u1@local.test",
                                          "-froot@local.test",
                                          "--help@local.test",
                                          "-oX@local.test",
                                          "-@local.test",
                                          "u1-../../x@local.test",
                                          "u1-a/b@local.test",
                                          "u1/-a@local.test",
                                          ".u1@local.test",
                                          "u1 @local.test",
                                          " u1@local.test",
                                          "u1-\033[2J@local.test",
                                          "u1-a\nb@local.test",
                                          "u1-\177@local.test",
                                          "u1-\377@local.test",
                                          "x%other.test@local.test",
                                          "u1%other.test@local.test",
                                          "x@other.test@local.test",
                                          "info@local.test@local.test",
                                          "u1-x@other.test@local.test",
                                          "info@local.test-x@mail.local.test",
                                          "info@virtual.test@local.test",
                                          "other.test!x@local.test",
                                          "other.test!x",
                                          "local.test!other.test!x",
                                          "x%other.test",
                                          "people/u2@local.test",
                                          "people/U2@local.test",
                                          "local.test/info@local.test",
                                          "../x@virtual.test",
                                          ".qmail@virtual.test",
                                          "a/b@virtual.test",
                                          "x@y@virtual.test",
                                          "u1:people@local.test",
                                          "root@local.test",
                                          "0@local.test"};
    static char const *const remote[] = {"u1@local.test/../x",
                                         "u1@1ocal.test",
                                         "u1@xn--local.test",
                                         "u1@l\303\266cal.test",
                                         "u1@local.test@other.test",
                                         "@local.test:x@other.test",
                                         "u1@.local.test",
                                         "u1@local..test",
                                         "u1@[IPv6:::1]",
                                         "u1@[local.test]",
                                         "u1@virtual.test.",
                                         "u1@.virtual.test"};
    struct routing routing;
    struct route route;
    write_standard(*state);
    load(*state, &routing);
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        assert_unknown(&routing, unknown[i]);
    for (size_t i = 0; i < sizeof remote / sizeof *remote; i++)
        assert_remote(&routing, remote[i]);
    routing_find(&routing, "u1\0x@local.test", 15, &route);
    assert_int_equal(route.kind, ROUTE_UNKNOWN);
    routing_find(&routing, "u1\0@local.test", 14, &route);
    assert_int_equal(route.kind, ROUTE_UNKNOWN);
    routing_find(&routing, "u1@local.test\0", 14, &route);
    assert_int_equal(route.kind, ROUTE_REMOTE);
    routing_free(&routing);
}

/* Whatever length arrives, nothing overflows (with the sanitizers) and nothing is cut to fit. */
static void test_lengths(void **state)
{
    struct routing routing;
    struct route route;
    static char address[3000];
    write_standard(*state);
    load(*state, &routing);
    for (size_t length = 1; length < 2500; length += length < 1100 ? 1 : 97) {
        char *copy = malloc(length + 13);
        assert_non_null(copy);
        memset(copy, 'a', length);
        memcpy(copy, "u1-", length < 3 ? length : 3);
        memcpy(copy + length, "@virtual.test", 13);
        routing_find(&routing, copy, length + 13, &route);
        assert_int_equal(route.kind,
                         length < ROUTING_MAILBOX_MAX - 5 ? ROUTE_MAILBOX : ROUTE_UNKNOWN);
        if (route.kind == ROUTE_MAILBOX)
            assert_int_equal(strlen(route.extension), length);
        routing_find(&routing, copy, length, &route);
        free(copy);
    }
    memset(address, 'a', sizeof address);
    memcpy(address, "u1@", 3);
    routing_find(&routing, address, sizeof address, &route);
    assert_int_equal(route.kind, ROUTE_REMOTE);
    routing_free(&routing);
}

static void assert_load_error(struct folder *folder, char const *name, char const *text,
                              char const *expected)
{
    struct routing routing = {.me = 0};
    struct routing untouched = routing;
    char start[64];
    folder_write(folder, name, text);
    if (routing_load(&routing, &folder->control, &folder->error) != CONTROL_ERROR)
        fail_msg("accepted: %s: %s", name, text);
    assert_memory_equal(&routing, &untouched, sizeof routing);
    snprintf(start, sizeof start, "%s:", name);
    folder_assert_error_part(folder, start, expected);
    unlinkat(folder->control.directory, name, 0);
}

static void test_errors_name_file_and_line(void **state)
{
    static char const *const users[] = {"a:..",         "a:.",
                                        "a:/x",         "a:x/../y",
                                        "a:x/./y",      "a:x//y",
                                        "a:x/",         "a:",
                                        "a:x y",        "a:x:y",
                                        "a/b",          ".a",
                                        "-a",           "..",
                                        "@x.test",      "a@",
                                        "a@b@c.test",   "a@-.x",
                                        "a@.x.test",    "a b",
                                        "a # b",        "a\tb",
                                        "a\001b",       "a:x\177",
                                        "a:\377",       "a\342\200\256b",
                                        "a@x..test:y",  ":x",
                                        "a@[127.0.0.1]"};
    static char const *const virtualdomains[] = {
        "a.test",      "a.test:x/y", "a.test:.x",     "a.test:-x", "a.test:x@y",
        "a.test:x:y",  "a test:x",   "*:x",           ".:x",       "..a:x",
        "u@.a.test:x", "u@:x",       "../u@a.test:x", "@a.test:x", "a.test:x y"};
    struct folder *folder = *state;
    char text[128];
    for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
        snprintf(text, sizeof text, "good\n\n%s\n", users[i]);
        assert_load_error(folder, "users", text, "/users:3: expected NAME");
    }
    for (size_t i = 0; i < sizeof virtualdomains / sizeof *virtualdomains; i++) {
        snprintf(text, sizeof text, "%s\n", virtualdomains[i]);
        assert_load_error(folder, "virtualdomains", text,
                          "/virtualdomains:1: expected DOMAIN:PREFIX");
    }
    assert_load_error(folder, "locals", "a.test\n.b.test\n",
                      "/locals:2: expected a domain, got `.b.test`");
    assert_load_error(folder, "locals", "*\n", "/locals:1: ");
    assert_load_error(folder, "me", "# us\nmail_.te st\n", "/me:2: expected this host's full name");
    assert_load_error(folder, "localiphost", "[127.0.0.1]\n",
                      "/localiphost:1: expected this host's");
    memset(text, 'x', sizeof text);
    stralloc line = STRALLOC_ZERO;
    assert_true(stralloc_cats(&line, "a:"));
    for (unsigned int i = 0; i < 5; i++)
        assert_true(stralloc_catb(&line, text, 120) && stralloc_cats(&line, "/"));
    assert_true(stralloc_catb(&line, "x\n", 3));
    assert_load_error(folder, "users", line.s, "/users:1: ");
    stralloc_free(&line);
}

static void test_defaults(void **state)
{
    struct folder *folder = *state;
    struct routing routing;
    char host[256] = "";
    assert_int_equal(gethostname(host, sizeof host - 1), 0);
    load(folder, &routing);
    assert_int_equal(strcasecmp(routing.me, host), 0);
    routing_free(&routing);
    folder_write(folder, "me", "a.test\n");
    folder_write(folder, "localiphost", "B.test\n");
    folder_write(folder, "locals", "# nothing is local\n");
    folder_write(folder, "users", "u1\n");
    load(folder, &routing);
    assert_string_equal(routing.localiphost, "b.test");
    assert_remote(&routing, "u1@a.test");
    assert_remote(&routing, "u1@b.test");
    routing_free(&routing);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(test_names, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_extensions, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_virtual_domains, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_catch_all, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_postmaster, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_attacks, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_lengths, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_errors_name_file_and_line, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_defaults, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
