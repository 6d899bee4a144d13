/* deliver/dotqmail_environment.h: what programs are told, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "deliver/dotqmail_environment.h"

/* The value of NAME, NULL when it is not set. */
static char const *value(struct dotqmail_environment const *environment, char const *name)
{
    size_t const length = strlen(name);
    for (char *const *variable = environment->variables; *variable; variable++)
        if (!strncmp(*variable, name, length) && (*variable)[length] == '=')
            return *variable + length + 1;
    return NULL;
}

static size_t count(struct dotqmail_environment const *environment)
{
    size_t number = 0;
    while (environment->variables[number])
        number++;
    return number;
}

static void values_are_those_of_qmail_command(void **state)
{
    static char const *const expected[][2] = {
        {"PATH", "/bin"},
        {"USER", "ann"},
        {"HOME", "/home/ann"},
        {"LOCAL", "Ann-a-b-c-d-e"},
        {"RECIPIENT", "Ann-a-b-c-d-e@one.two.three.test"},
        {"SENDER", "x y@far.test"},
        {"NEWSENDER", "new@far.test"},
        {"DEFAULT", "c-d-e"},
        {"EXT", "a-b-c-d-e"},
        {"EXT2", "b-c-d-e"},
        {"EXT3", "c-d-e"},
        {"EXT4", "d-e"},
        {"HOST", "one.two.three.test"},
        {"HOST2", "one.two.three"},
        {"HOST3", "one.two"},
        {"HOST4", "one"},
        {"DTLINE", "Delivered-To: Ann-a-b-c-d-e@one.two.three.test\n"},
        {"RPLINE", "Return-Path: <\"x y\"@far.test>\n"},
        {"UFLINE", "From x-y@far.test Tue Nov 14 22:13:20 2023\n"},
    };
    struct dotqmail_environment environment = {.bytes = STRALLOC_ZERO};
    struct dotqmail_names const names = {.user = "ann",
                                         .home = "/home/ann",
                                         .local = "Ann-a-b-c-d-e",
                                         .host = "one.two.three.test",
                                         .extension = "a-b-c-d-e",
                                         .sender = "x y@far.test",
                                         .new_sender = "new@far.test",
                                         .path = "/bin",
                                         .default_part = "c-d-e",
                                         .now = 1700000000};
    (void)state;
    assert_true(dotqmail_environment_make(&environment, &names));
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_non_null(value(&environment, expected[i][0]));
        assert_string_equal(value(&environment, expected[i][0]), expected[i][1]);
    }
    assert_int_equal(count(&environment), sizeof expected / sizeof *expected);
    assert_string_equal(dotqmail_environment_from_line(&environment),
                        value(&environment, "UFLINE"));
    dotqmail_environment_free(&environment);
}

/* E11, and a LF where qmail-local's arguments may have one. */
static void values_are_passed_as_they_are(void **state)
{
    struct dotqmail_environment environment = {.bytes = STRALLOC_ZERO};
    struct dotqmail_names names = {.user = "ann",
                                   .home = "/",
                                   .local = "() { :;}; id\n|x",
                                   .host = "",
                                   .extension = "",
                                   .sender = "",
                                   .new_sender = "",
                                   .path = ""};
    (void)state;
    assert_true(dotqmail_environment_make(&environment, &names));
    assert_string_equal(value(&environment, "LOCAL"), "() { :;}; id\n|x");
    assert_string_equal(value(&environment, "RECIPIENT"), "() { :;}; id\n|x");
    char const *const line = value(&environment, "DTLINE");
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_string_equal(value(&environment, "RPLINE"), "Return-Path: <>\n");
    assert_string_equal(value(&environment, "UFLINE"),
                        "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n");
    assert_string_equal(value(&environment, "EXT4"), "");
    assert_string_equal(value(&environment, "HOST4"), "");
    assert_null(value(&environment, "DEFAULT"));
    names.sender = "a\nFrom b\tc d";
    assert_true(dotqmail_environment_make(&environment, &names));
    assert_string_equal(value(&environment, "UFLINE"),
                        "From a-From-b-c-d Thu Jan  1 00:00:00 1970\n");
    assert_non_null(strchr(value(&environment, "RPLINE"), '_'));
    dotqmail_environment_free(&environment);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(values_are_those_of_qmail_command),
        cmocka_unit_test(values_are_passed_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
