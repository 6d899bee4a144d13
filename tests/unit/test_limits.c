#include "control_folder.h"

#include "judge/limits.h"

#define NOW    UINT64_C(1800000000000000)
#define SECOND UINT64_C(1000000)

static struct limits_settings settings;
static struct memory memory;
static struct folder *control;
static struct finding finding;

static void configure(char const *text)
{
    limits_settings_free(&settings);
    folder_write(control, "limits", text);
    if (limits_settings_load(&settings, &control->control, &control->error) != CONTROL_OK)
        fail_msg("%s", control->error.text);
}

static int open_all(void **state)
{
    void *other;
    if (folder_make(&other) != 0 || folder_make(state) != 0)
        return -1;
    control = other;
    struct folder const *const folder = *state;
    memory_open(&memory, folder->control.directory, false);
    return memory.usable ? 0 : -1;
}

static int close_all(void **state)
{
    limits_settings_free(&settings);
    memory_close(&memory);
    void *other = control;
    return folder_remove(&other) == 0 && folder_remove(state) == 0 ? 0 : -1;
}

/* '-' nothing found, 'd' deferred, '?', or ' ' when there is no such limit. */
static char ask(uint64_t now, char const *client, enum question_kind kind)
{
    ip46 ip;
    assert_true(ip46_scan(client, &ip) > 0);
    if (!limits_ask(&finding, &settings, &memory, now, &ip, kind))
        return ' ';
    assert_string_equal(finding.rule, "limits");
    return (char)finding.verdict;
}

static unsigned int count_until_over(uint64_t now, char const *client, enum question_kind kind)
{
    unsigned int count = 0;
    while (ask(now, client, kind) == '-')
        count++;
    assert_int_equal(finding.verdict, FINDING_DEFER);
    return count;
}

static void test_subjects(void **state)
{
    (void)state;
    configure("connections 10/m\nmessages 3/h\nrecipients 20/d\nunknown 2/s\n");
    assert_int_equal(count_until_over(NOW, "192.0.2.1", QUESTION_CONNECTION), 10);
    assert_int_equal(finding.number, 421);
    assert_string_equal(finding.status, "4.7.0");
    assert_string_equal(finding.place, "limits:1");
    assert_string_equal(finding.text, "Too many connections from your address: please try again in "
                                      "6 seconds");
    assert_int_equal(ask(NOW + 6 * SECOND, "192.0.2.1", QUESTION_CONNECTION), '-');
    assert_int_equal(ask(NOW + 6 * SECOND, "192.0.2.1", QUESTION_CONNECTION), 'd');
    assert_int_equal(ask(NOW, "192.0.2.2", QUESTION_CONNECTION), '-');
    assert_int_equal(count_until_over(NOW, "192.0.2.1", QUESTION_RECIPIENT), 20);
    assert_int_equal(finding.number, 450);
    assert_string_equal(finding.place, "limits:3");
    assert_int_equal(count_until_over(NOW, "192.0.2.2", QUESTION_MESSAGE), 3);
    assert_int_equal(finding.number, 450);
    assert_string_equal(finding.status, "4.7.1");
    /* No message may come: no recipient either, and none is taken. */
    assert_int_equal(ask(NOW, "192.0.2.2", QUESTION_RECIPIENT), 'd');
    assert_string_equal(finding.place, "limits:2");
    assert_int_equal(count_until_over(NOW + 3600 * SECOND, "192.0.2.2", QUESTION_RECIPIENT), 20);
    assert_int_equal(count_until_over(NOW, "192.0.2.3", QUESTION_UNKNOWN), 2);
    assert_int_equal(finding.number, 421);
    assert_int_equal(ask(NOW, "192.0.2.3", QUESTION_CONNECTION), 'd');
    assert_string_equal(finding.place, "limits:4");
    assert_int_equal(ask(NOW + SECOND, "192.0.2.3", QUESTION_CONNECTION), '-');
    assert_int_equal(ask(NOW, "192.0.2.1", QUESTION_HELLO), ' ');
}

static void test_scopes(void **state)
{
    (void)state;
    configure("connections 3/m\nconnections 5/h\nipv4/24 connections 7/m\nipv6/48 connections 4/m\n"
              "198.51.100.0/24 connections 2/m\n198.51.100.7 connections none\n"
              "2001:db8:5::/48 connections 1/d\n");
    assert_int_equal(count_until_over(NOW, "192.0.2.1", QUESTION_CONNECTION), 3);
    assert_string_equal(finding.place, "limits:1");
    assert_int_equal(count_until_over(NOW + 60 * SECOND, "192.0.2.1", QUESTION_CONNECTION), 2);
    assert_string_equal(finding.place, "limits:2");
    assert_int_equal(count_until_over(NOW + 120 * SECOND, "192.0.2.2", QUESTION_CONNECTION), 3);
    assert_int_equal(count_until_over(NOW + 120 * SECOND, "192.0.2.3", QUESTION_CONNECTION), 3);
    assert_int_equal(count_until_over(NOW + 120 * SECOND, "::ffff:c000:204", QUESTION_CONNECTION),
                     1);
    assert_string_equal(finding.place, "limits:3");
    assert_non_null(strstr(finding.text, "from your network"));
    assert_int_equal(count_until_over(NOW, "2001:db8:1:1::1", QUESTION_CONNECTION), 3);
    assert_int_equal(ask(NOW, "2001:db8:1:1:f::1", QUESTION_CONNECTION), 'd');
    assert_int_equal(count_until_over(NOW, "2001:db8:1:2::1", QUESTION_CONNECTION), 1);
    assert_string_equal(finding.place, "limits:4");
    /* Networks by name: together, and in place of the others. */
    assert_int_equal(ask(NOW, "198.51.100.1", QUESTION_CONNECTION), '-');
    assert_int_equal(ask(NOW, "198.51.100.2", QUESTION_CONNECTION), '-');
    assert_int_equal(ask(NOW, "198.51.100.3", QUESTION_CONNECTION), 'd');
    assert_int_equal(ask(NOW, "198.51.100.7", QUESTION_CONNECTION), ' ');
    assert_int_equal(count_until_over(NOW, "2001:db8:5:9::1", QUESTION_CONNECTION), 1);
    assert_int_equal(ask(NOW, "198.51.100.1", QUESTION_RECIPIENT), ' ');
}

static void test_clock(void **state)
{
    (void)state;
    configure("connections 5/m\n");
    assert_int_equal(count_until_over(NOW, "192.0.2.1", QUESTION_CONNECTION), 5);
    assert_int_equal(count_until_over(NOW - 3600 * SECOND, "192.0.2.1", QUESTION_CONNECTION), 5);
    assert_int_equal(count_until_over(NOW + 36000 * SECOND, "192.0.2.1", QUESTION_CONNECTION), 5);
    configure("connections 50/m\n");
    assert_int_equal(count_until_over(NOW + 36000 * SECOND, "192.0.2.1", QUESTION_CONNECTION), 0);
    configure("connections 5/s\n");
    assert_int_equal(count_until_over(NOW + 36000 * SECOND, "192.0.2.1", QUESTION_CONNECTION), 5);
}

static void test_read_only(void **state)
{
    struct folder const *const folder = *state;
    configure("connections 1/m\n");
    assert_int_equal(ask(NOW, "192.0.2.1", QUESTION_CONNECTION), '-');
    memory_close(&memory);
    memory_open(&memory, folder->control.directory, true);
    assert_int_equal(ask(NOW, "192.0.2.1", QUESTION_CONNECTION), 'd');
    for (unsigned int i = 0; i < 3; i++)
        assert_int_equal(ask(NOW, "192.0.2.2", QUESTION_CONNECTION), '-');
    assert_string_equal(finding.trail, "1 of 1 connections left");
}

static void assert_refused(char const *text, char const *start, char const *part)
{
    limits_settings_free(&settings);
    folder_write(control, "limits", text);
    assert_int_equal(limits_settings_load(&settings, &control->control, &control->error),
                     CONTROL_ERROR);
    assert_int_equal(settings.count, 0);
    folder_assert_error_part(control, start, part);
}

static void test_settings(void **state)
{
    static char const *const wrong[] = {
        "connections",
        "connections 5",
        "connections 5/x",
        "connections 0/m",
        "connections -1/m",
        "connections 1000001/m",
        "connection 5/m",
        "connections none",
        "192.0.2.0/33 messages 5/m",
        "192.0.2.1/24 messages 5/m",
        "!192.0.2.1 messages 5/m",
        "ipv4/33 messages 5/m",
        "ipv4/0 messages 5/m",
        "ipv6/129 messages 5/m",
        "ipv4/24 messages none",
        "messages 5/m x",
        "a b messages 5/m",
        "messages /m",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_refused(wrong[i], "limits:1: ", "expected [ipv4/N");
    assert_refused("messages 5/m\nmessages 6/h\nmessages 7/m\n", "limits:3: ", "a line above");
    assert_refused("192.0.2.0/24 messages 5/m\n192.0.2.0/24  messages 7/m\n",
                   "limits:2: ", "a line above");
    configure("# none\n");
    assert_false(settings.present);
    assert_int_equal(ask(NOW, "192.0.2.1", QUESTION_CONNECTION), ' ');
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(test_subjects, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_scopes, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_clock, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_read_only, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_settings, open_all, close_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
