#include "control_folder.h"

#include "lib/address_list.h"
#include "smtpd/settings.h"

static enum control_result load(struct folder *folder, struct settings *settings)
{
    return settings_load(settings, &folder->control, &folder->error);
}

static bool is_listed(struct table const *table, char const *domain)
{
    char const *value;
    size_t length;
    return table_find_domain(table, domain, strlen(domain), &value, &length);
}

/* An empty folder: safe, and the numbers of the header. */
static void test_defaults(void **state)
{
    struct settings settings;
    ip46 localhost = IP46_ZERO;
    ip46_from_ip4(&localhost, IP4_LOCAL);
    folder_write(*state, "me", "mail.test\n");
    assert_int_equal(load(*state, &settings), CONTROL_OK);
    assert_string_equal(settings.greeting, "mail.test");
    assert_false(settings.rcpthosts.present);
    assert_false(settings.morercpthosts.present);
    assert_false(settings.badmailfrom.present);
    assert_false(is_listed(&settings.rcpthosts, "mail.test"));
    assert_false(networks_contain(&settings.relayclients, &localhost));
    assert_false(networks_contain(&settings.badclients, &localhost));
    assert_true(settings.databytes == 50 * 1024 * 1024);
    assert_true(settings.maxrcpt == 1000);
    assert_true(settings.timeoutsmtpd == 300);
    assert_true(settings.timeoutsession == 7200);
    assert_true(settings.maxerrors == 20);
    assert_true(settings.timeouttls == 30);
    assert_true(settings.timeoutauth == 60);
    assert_true(settings.authcheckfrom == 0);
    assert_false(settings.tls);
    assert_int_equal(role_of_port(&settings.role_ports, 25), ROLE_MX);
    assert_int_equal(role_of_port(&settings.role_ports, 587), ROLE_SUBMISSION);
    assert_int_equal(role_of_port(&settings.role_ports, 2525), ROLE_SUBMISSION);
    assert_int_equal(role_of_port(&settings.role_ports, 465), ROLE_SUBMISSIONS);
    assert_int_equal(role_of_port(&settings.role_ports, 24), ROLE_MX);
    assert_true(settings.concurrencyincoming == 1000);
    assert_true(settings.concurrencyperip == 100);
    assert_null(settings.queueprogram);
    settings_free(&settings);
    settings_free(&settings);
}

static void test_every_file_counts(void **state)
{
    struct folder *folder = *state;
    struct settings settings;
    ip46 ip = IP46_ZERO;
    char const *value;
    size_t length;
    folder_write(folder, "me", "mail.test\n");
    folder_write(folder, "smtpgreeting", "mx.test No unsolicited mail\n");
    folder_write(folder, "rcpthosts", "A.test\n.b.test\nlocalhost\n");
    folder_write(folder, "morercpthosts", "c.test\n");
    folder_write(folder, "badmailfrom", "Spam@x.test\n@y.test\n.z.test\n");
    folder_write(folder, "authsenders", "U:a@x.test\nu:@y.test\nv@w.test:*\n");
    folder_write(folder, "authcheckfrom", "1\n");
    folder_write(folder, "timeoutauth", "170\n");
    folder_write(folder, "relayclients", "127.0.0.0/8\n");
    folder_write(folder, "badclients", "0.0.0.0/0\n!192.0.2.1\n");
    folder_write(folder, "databytes", "0\n");
    folder_write(folder, "maxrcpt", "100\n");
    folder_write(folder, "timeoutsmtpd", "30\n");
    folder_write(folder, "timeoutsession", "60\n");
    folder_write(folder, "maxerrors", "5\n");
    folder_write(folder, "timeouttls", "3600\n");
    folder_write(folder, "portroles", "# ours\n1587:submission\n65535:submissions\n26:mx\n");
    assert_int_equal(mkdirat(folder->control.directory, "tls", 0755), 0);
    assert_int_equal(mkdirat(folder->control.directory, "tls/default", 0755), 0);
    folder_write(folder, "concurrencyincoming", "20\n");
    folder_write(folder, "concurrencyperip", "3\n");
    folder_write(folder, "queueprogram", "/usr/bin/queue\n");
    assert_int_equal(load(folder, &settings), CONTROL_OK);
    assert_string_equal(settings.greeting, "mx.test No unsolicited mail");
    assert_true(is_listed(&settings.rcpthosts, "a.TEST"));
    assert_false(is_listed(&settings.rcpthosts, "x.a.test"));
    assert_true(is_listed(&settings.rcpthosts, "x.b.test"));
    assert_false(is_listed(&settings.rcpthosts, "b.test"));
    assert_true(is_listed(&settings.rcpthosts, "localhost"));
    assert_true(is_listed(&settings.morercpthosts, "c.test"));
    assert_true(table_find(&settings.badmailfrom, "spam@X.test", 11, &value, &length));
    assert_true(table_find(&settings.badmailfrom, "@y.test", 7, &value, &length));
    assert_true(table_find(&settings.authsenders, "u:A@x.test", 10, &value, &length));
    assert_true(table_find(&settings.authsenders, "u:@y.test", 9, &value, &length));
    assert_true(table_find(&settings.authsenders, "v@w.test:*", 10, &value, &length));
    assert_true(settings.authcheckfrom == 1);
    assert_true(settings.timeoutauth == 170);
    assert_true(is_listed(&settings.badmailfrom, "q.z.test"));
    assert_false(is_listed(&settings.badmailfrom, "z.test"));
    ip46_from_ip4(&ip, IP4_LOCAL);
    assert_true(networks_contain(&settings.relayclients, &ip));
    assert_true(networks_contain(&settings.badclients, &ip));
    ip46_from_ip4(&ip, "\300\0\2\1");
    assert_false(networks_contain(&settings.relayclients, &ip));
    assert_false(networks_contain(&settings.badclients, &ip));
    assert_true(settings.databytes == 0);
    assert_true(settings.maxrcpt == 100);
    assert_true(settings.timeoutsmtpd == 30);
    assert_true(settings.timeoutsession == 60);
    assert_true(settings.maxerrors == 5);
    assert_true(settings.timeouttls == 3600);
    assert_true(settings.tls);
    assert_int_equal(unlinkat(folder->control.directory, "tls/default", AT_REMOVEDIR), 0);
    assert_int_equal(role_of_port(&settings.role_ports, 1587), ROLE_SUBMISSION);
    assert_int_equal(role_of_port(&settings.role_ports, 65535), ROLE_SUBMISSIONS);
    assert_int_equal(role_of_port(&settings.role_ports, 26), ROLE_MX);
    assert_int_equal(role_of_port(&settings.role_ports, 587), ROLE_MX); /* not listed any more */
    assert_true(settings.concurrencyincoming == 20);
    assert_true(settings.concurrencyperip == 3);
    assert_string_equal(settings.queueprogram, "/usr/bin/queue");
    settings_free(&settings);
}

static unsigned int find(struct table const *list, char const *address)
{
    return address_list_find(list, address, strlen(address));
}

/* Both forms of a domain are the same, in the file and in a session. */
static void test_domains_of_other_letters(void **state)
{
    struct folder *folder = *state;
    struct settings settings;
    folder_write(folder, "me", "mail.test\n");
    folder_write(folder, "badmailfrom",
                 "@b\303\274cher.test\n.xn--r-0ga.test\n\303\244@x.b\303\234cher.test\n");
    folder_write(folder, "badhelo", ".b\303\274cher.test\nn\303\266.test\nNo_Domain!\n");
    assert_int_equal(load(folder, &settings), CONTROL_OK);
    assert_int_equal(find(&settings.badmailfrom, "a@b\303\274cher.test"), 1);
    assert_int_equal(find(&settings.badmailfrom, "a@B\303\234CHER.test"), 1);
    assert_int_equal(find(&settings.badmailfrom, "a@XN--BCHER-kva.test"), 1);
    assert_int_equal(find(&settings.badmailfrom, "a@x.xn--r-0ga.test"), 2);
    assert_int_equal(find(&settings.badmailfrom, "a@x.\303\266r.test"), 2);
    assert_int_equal(find(&settings.badmailfrom, "a@x.r\303\244.test"), 0);
    assert_int_equal(find(&settings.badmailfrom, "\303\244@x.xn--bcher-kva.test"), 3);
    assert_int_equal(find(&settings.badmailfrom, "\303\204@x.xn--bcher-kva.test"), 0);
    assert_int_equal(find(&settings.badmailfrom, "a@\374.test"), 0); /* no UTF-8 */
    assert_true(is_listed(&settings.badhelo, "x.xn--bcher-kva.test"));
    assert_true(is_listed(&settings.badhelo, "xn--n-1ga.test"));
    assert_true(is_listed(&settings.badhelo, "no_domain!"));
    assert_false(is_listed(&settings.badhelo, "xn--bcher-kva.test"));
    settings_free(&settings);
}

/* TEXT in the file NAME is refused in its second line, and leaves what was loaded before. */
static void assert_refused(struct folder *folder, char const *name, char const *entry,
                           char const *part)
{
    struct settings settings, before;
    char text[600], start[64];
    memset(&settings, 0x5a, sizeof settings);
    memcpy(&before, &settings, sizeof before);
    snprintf(text, sizeof text, "# a comment\n%s\n", entry);
    folder_write(folder, name, text);
    if (load(folder, &settings) != CONTROL_ERROR)
        fail_msg("accepted: %s: %s", name, entry);
    assert_memory_equal(&settings, &before, sizeof settings);
    snprintf(start, sizeof start, "%s:2: expected ", name);
    folder_assert_error_part(folder, start, part);
    unlinkat(folder->control.directory, name, 0);
}

/* No line of rcpthosts makes an open relay. */
static void test_rcpthosts_never_open(void **state)
{
    static char const *const names[] = {"rcpthosts", "morercpthosts"};
    folder_write(*state, "me", "mail.test\n");
    for (size_t i = 0; i < 2; i++) {
        assert_refused(*state, names[i], ".", "whole Internet (an open relay)");
        assert_refused(*state, names[i], "*", "whole Internet (an open relay)");
        assert_refused(*state, names[i], "*@", "whole Internet (an open relay)");
        assert_refused(*state, names[i], ".com", "top-level domain (an open relay)");
        assert_refused(*state, names[i], "*.a.test", "without the `*`");
        assert_refused(*state, names[i], "..", "DOMAIN or .PARENT");
        assert_refused(*state, names[i], "..a.test", "DOMAIN or .PARENT");
        assert_refused(*state, names[i], "a..test", "DOMAIN or .PARENT");
        assert_refused(*state, names[i], ".com.", "DOMAIN or .PARENT");
        assert_refused(*state, names[i], "a.test.", "DOMAIN or .PARENT");
        assert_refused(*state, names[i], "@a.test", "DOMAIN or .PARENT");
        assert_refused(*state, names[i], "u@a.test", "DOMAIN or .PARENT");
        assert_refused(*state, names[i], "a.test b.test", "DOMAIN or .PARENT");
        assert_refused(*state, names[i], "a.test # ours", "a comment needs a line of its own");
        assert_refused(*state, names[i], "[127.0.0.1]", "DOMAIN or .PARENT");
    }
}

static void test_errors(void **state)
{
    static char const *const zero_refused[] = {
        "maxrcpt",          "timeoutsmtpd", "timeoutsession", "maxerrors", "concurrencyincoming",
        "concurrencyperip", "timeouttls"};
    folder_write(*state, "me", "mail.test\n");
    for (size_t i = 0; i < sizeof zero_refused / sizeof *zero_refused; i++)
        assert_refused(*state, zero_refused[i], "0", "a number from ");
    assert_refused(*state, "databytes", "9223372036854775808", "a number from 0 to ");
    assert_refused(*state, "databytes", "-1", "a number from 0 to ");
    assert_refused(*state, "maxrcpt", "99", "a number from 100 to ");
    assert_refused(*state, "timeouttls", "3601", "a number from 1 to 3600");
    static char const *const bad_ports[] = {"587",     ":mx",   "0:mx", "65536:mx", "587:users",
                                            "587 :mx", "-1:mx", "587:", "x:mx"};
    for (size_t i = 0; i < sizeof bad_ports / sizeof *bad_ports; i++)
        assert_refused(*state, "portroles", bad_ports[i], "expected PORT:ROLE");
    folder_write(*state, "portroles", "587:mx\n0587:submission\n");
    struct settings settings;
    assert_int_equal(load(*state, &settings), CONTROL_ERROR);
    assert_non_null(
        strstr(((struct folder *)*state)->error.text, "/portroles:2: expected each port once"));
    assert_refused(*state, "queueprogram", "qmail-queue", "absolute path");
    assert_refused(*state, "queueprogram", "/", "absolute path");
    assert_refused(*state, "smtpgreeting", "mx.test \303\244", "printable ASCII");
    assert_refused(*state, "smtpgreeting", "mx.test\t x", "printable ASCII");
    char greeting[402];
    memset(greeting, 'x', sizeof greeting - 1);
    greeting[sizeof greeting - 1] = 0;
    assert_refused(*state, "smtpgreeting", greeting, "400 bytes");
    assert_refused(*state, "badmailfrom", "spammer", "ADDRESS, @DOMAIN or .PARENT");
    assert_refused(*state, "badmailfrom", "y.test", "ADDRESS, @DOMAIN or .PARENT");
    assert_refused(*state, "badmailfrom", "@", "ADDRESS, @DOMAIN or .PARENT");
    assert_refused(*state, "badmailfrom", ".", "ADDRESS, @DOMAIN or .PARENT");
    assert_refused(*state, "badmailfrom", "u@", "ADDRESS, @DOMAIN or .PARENT");
    assert_refused(*state, "badhelo", "@y.test", "without an `@`; leave it out");
    assert_refused(*state, "badhelo", "*.y.test", "write `.` and PARENT");
    static char const senders[] = "LOGIN:ADDRESS, LOGIN:@DOMAIN or LOGIN:*";
    assert_refused(*state, "authsenders", "u", senders);
    assert_refused(*state, "authsenders", "u:", senders);
    assert_refused(*state, "authsenders", ":u@x.test", senders);
    assert_refused(*state, "authsenders", "u:x", senders);
    assert_refused(*state, "authsenders", "u:@", senders);
    assert_refused(*state, "authsenders", "u:.x.test", senders);
    assert_refused(*state, "authsenders", "u:**", senders);
    assert_refused(*state, "authcheckfrom", "2", "0 to 1");
    assert_refused(*state, "timeoutauth", "171", "1 to 170");
    assert_refused(*state, "relayclients", "0.0.0.0/0", "open relay");
    assert_refused(*state, "relayclients", "::ffff:0:0/96", "open relay");
    assert_refused(*state, "relayclients", "::/0", "open relay");
    assert_refused(*state, "badclients", "x", "an address or a range");
    assert_refused(*state, "users", "a:../b", "NAME");
    assert_refused(*state, "locals", "*", "a domain");
}

/* An entry for every kind of file first, so that there is something to give back. */
static void test_error_frees_what_was_loaded(void **state)
{
    test_every_file_counts(state);
    assert_refused(*state, "badclients", "x", "an address or a range");
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(test_defaults, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_every_file_counts, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_domains_of_other_letters, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_rcpthosts_never_open, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_errors, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_error_frees_what_was_loaded, folder_make,
                                        folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
