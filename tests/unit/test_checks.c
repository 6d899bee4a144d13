/* lib/checks.h */
#include "control_folder.h"

#include "lib/checks.h"

static void load(struct folder *folder, struct checks *checks, char const *text)
{
    folder_write(folder, "checks", text);
    if (checks_load(checks, &folder->control, &folder->error) != CONTROL_OK)
        fail_msg("%s", folder->error.text);
}

static void without_the_file_all_is_off(void **state)
{
    struct folder *const folder = *state;
    struct checks checks;
    memset(&checks, 0xff, sizeof checks);
    assert_int_equal(checks_load(&checks, &folder->control, &folder->error), CONTROL_ABSENT);
    for (unsigned int rule = 0; rule < CHECK_RULES; rule++) {
        assert_int_equal(checks.rules[rule].action, CHECK_OFF);
        assert_int_equal(checks.rules[rule].line, 0);
    }
}

static void each_rule_has_its_line(void **state)
{
    enum check_rule const dns[] = {CHECK_REVERSE_DNS, CHECK_SENDER_DNS};
    enum check_rule const local[] = {CHECK_EARLY_TALKER, CHECK_HELO_US};
    char place[CHECKS_PLACE_SIZE];
    struct checks checks;
    load(*state, &checks,
         "# ours\n"
         "reverse-dns off\n"
         "\n"
         "helo-us\t refuse \n"
         "pipelining log\n"
         "sender-dns defer\n");
    assert_int_equal(checks.rules[CHECK_REVERSE_DNS].action, CHECK_OFF);
    assert_int_equal(checks.rules[CHECK_HELO_US].action, CHECK_REFUSE);
    assert_int_equal(checks.rules[CHECK_PIPELINING].action, CHECK_LOG);
    assert_int_equal(checks.rules[CHECK_SENDER_DNS].action, CHECK_DEFER);
    assert_int_equal(checks.rules[CHECK_FORWARD_DNS].action, CHECK_OFF);
    assert_string_equal(checks_place(place, &checks, CHECK_HELO_US), "checks:4");
    assert_string_equal(checks_place(place, &checks, CHECK_FORWARD_DNS), "");
    assert_string_equal(checks_name(CHECK_HELO_US), "helo-us");
    assert_true(checks_any(&checks, dns, 2));
    assert_false(checks_any(&checks, dns, 1));
    assert_true(checks_any(&checks, local, 2));
    assert_false(checks_any(&checks, local, 1));
}

static void every_rule_can_be_turned_on(void **state)
{
    char text[512] = "";
    struct checks checks;
    for (enum check_rule rule = 0; rule < CHECK_RULES; rule++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s refuse\n", checks_name(rule));
    load(*state, &checks, text);
    for (enum check_rule rule = 0; rule < CHECK_RULES; rule++) {
        assert_int_equal(checks.rules[rule].action, CHECK_REFUSE);
        assert_int_equal(checks.rules[rule].line, rule + 1);
    }
}

static void errors_name_the_line(void **state)
{
    static char const *const wrong[] = {
        "helo-us",         "helo-us refuse now", "helo-us Refuse",  "helo-us=refuse",
        "helo us refuse",  "refuse helo-us",     "unknown refuse",  "helo-us refused",
        "helo-usx refuse", "helo-u refuse",      "helo-us refuse.",
    };
    struct folder *const folder = *state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct checks checks = {.rules[CHECK_HELO_DNS] = {CHECK_LOG, 7}};
        char text[128];
        snprintf(text, sizeof text, "pipelining log\n%s\n", wrong[i]);
        folder_write(folder, "checks", text);
        assert_int_equal(checks_load(&checks, &folder->control, &folder->error), CONTROL_ERROR);
        folder_assert_error_part(folder, "checks:2: expected a rule (reverse-dns, ", wrong[i]);
        assert_int_equal(checks.rules[CHECK_HELO_DNS].line, 7); /* untouched */
    }
}

static void a_rule_stands_once(void **state)
{
    struct folder *const folder = *state;
    struct checks checks;
    folder_write(folder, "checks", "helo-us off\nhelo-us refuse\n");
    assert_int_equal(checks_load(&checks, &folder->control, &folder->error), CONTROL_ERROR);
    folder_assert_error(folder, "checks:2: expected each rule once, got `helo-us refuse`");
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(without_the_file_all_is_off, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(each_rule_has_its_line, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(every_rule_can_be_turned_on, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(errors_name_the_line, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(a_rule_stands_once, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
