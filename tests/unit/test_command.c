#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "smtpd/command.h"

static void test_verbs(void **state)
{
    static struct {
        char const *line;
        enum command_name name;
        char const *argument;
        bool excess;
    } const rows[] = {
        {"NOOP", COMMAND_NOOP, "", false},
        {"noop  x y \t", COMMAND_NOOP, "x y", false},
        {"nOoP\tx", COMMAND_NOOP, "x", false},
        {"NOOPX", COMMAND_UNKNOWN, "NOOPX", false},
        {"NOO", COMMAND_UNKNOWN, "NOO", false},
        {" NOOP", COMMAND_UNKNOWN, "NOOP", false},
        {"", COMMAND_UNKNOWN, "", false},
        {"DATA", COMMAND_DATA, "", false},
        {"DATA ", COMMAND_DATA, "", false},
        {"DATA x", COMMAND_DATA, "x", true},
        {"QUIT x", COMMAND_QUIT, "x", true},
        {"EHLO a.test", COMMAND_EHLO, "a.test", false},
        {"MAIL FROM:<a@b>", COMMAND_MAIL, "FROM:<a@b>", false},
        {"STARTTLS", COMMAND_STARTTLS, "", false},
        {"AUTH PLAIN x", COMMAND_AUTH, "PLAIN x", false},
        {"BDAT 40 LAST", COMMAND_BDAT, "40 LAST", false},
        {"GET / HTTP/1.1", COMMAND_FOREIGN, "/ HTTP/1.1", false},
        {"SSH-2.0-OpenSSH_9.2", COMMAND_FOREIGN, "OpenSSH_9.2", false},
        {"XCLIENT", COMMAND_UNKNOWN, "XCLIENT", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct command command;
        command_parse(&command, rows[i].line, strlen(rows[i].line));
        if (command.name != rows[i].name || command.excess != rows[i].excess)
            fail_msg("%s: %d", rows[i].line, command.name);
        assert_int_equal(command.length, strlen(rows[i].argument));
        assert_memory_equal(command.argument, rows[i].argument, command.length);
    }
}

static void test_bdat(void **state)
{
    static struct {
        char const *argument;
        bool good, last;
        uint64_t size;
    } const rows[] = {
        {"0", true, false, 0},
        {"86", true, false, 86},
        {"86 LAST", true, true, 86},
        {"0 last", true, true, 0},
        {"1 \t LaSt", true, true, 1},
        {"2147483648", true, false, 2147483648},
        {"0000000000000000005", true, false, 5},
        {"9223372036854775807 LAST", true, true, INT64_MAX},
        {.argument = ""},
        {.argument = "LAST"},
        {.argument = "-1"},
        {.argument = "+1"},
        {.argument = "1x"},
        {.argument = "0x10"},
        {.argument = "1.0"},
        {.argument = "1LAST"},
        {.argument = "1 LASTX"},
        {.argument = "1 LAS"},
        {.argument = "1 LAST LAST"},
        {.argument = "1 2"},
        {.argument = "9223372036854775808"},
        {.argument = "18446744073709551615"},
        {.argument = "18446744073709551616"},
        {.argument = "18446744073709551617"},
        {.argument = "1000000000000000000000000000000"},
        {.argument = "\302\262"}, /* a digit of Unicode */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct command_chunk chunk = {.size = 99};
        bool const good =
            command_parse_bdat(&chunk, rows[i].argument, strlen(rows[i].argument)) == COMMAND_OK;
        if (good != rows[i].good)
            fail_msg("%s: %d", rows[i].argument, good);
        if (good)
            assert_true(chunk.size == rows[i].size && chunk.last == rows[i].last);
    }
}

static void test_limits(void **state)
{
    (void)state;
    assert_int_equal(command_limit("MAIL FROM:", 10), 1065);
    assert_int_equal(command_limit("rcpt TO:", 8), 522);
    assert_int_equal(command_limit("NOOP x", 6), 512);
    assert_int_equal(command_limit("whatever", 8), 512);
    assert_int_equal(command_limit("", 0), 512);
}

static void test_mail(void **state)
{
    static struct {
        char const *argument;
        enum command_result result;
        uint64_t size;
    } const rows[] = {
        {"FROM:<a@b>", COMMAND_OK, 0},
        {"from: <a@b>", COMMAND_OK, 0},
        {"FROM:<>", COMMAND_OK, 0},
        {"FROM:<a@b> ", COMMAND_OK, 0},
        {"FROM:<a@b>  SIZE=5", COMMAND_OK, 5},
        {"FROM:<a@b> size=00000000000000000007", COMMAND_OK, 7},
        {"FROM:<a@b> SIZE=0 BODY=7bit SMTPUTF8", COMMAND_OK, 0},
        {"FROM:<a@b> SIZE=18446744073709551615", COMMAND_OK, UINT64_MAX},
        {"FROM:<a@b> SIZE=18446744073709551616", COMMAND_OK, UINT64_MAX},
        {"FROM:<a@b> SIZE=99999999999999999999", COMMAND_OK, UINT64_MAX},
        {"FROM:<a@b> SIZE=100000000000000000000", COMMAND_SIZE_SYNTAX, 0},
        {"FROM:<a@b> SIZE=-1", COMMAND_SIZE_SYNTAX, 0},
        {"FROM:<a@b> SIZE=+1", COMMAND_SIZE_SYNTAX, 0},
        {"FROM:<a@b> SIZE=0x10", COMMAND_SIZE_SYNTAX, 0},
        {"FROM:<a@b> SIZE=1e9", COMMAND_SIZE_SYNTAX, 0},
        {"FROM:<a@b> SIZE", COMMAND_SIZE_SYNTAX, 0},
        {"FROM:<a@b> SIZE=", COMMAND_PARAMETER_SYNTAX, 0},
        {"FROM:<a@b> SIZE=1 SIZE=1", COMMAND_PARAMETER_TWICE, 0},
        {"FROM:<a@b> BODY=7BIT body=7BIT", COMMAND_PARAMETER_TWICE, 0},
        {"FROM:<a@b> SMTPUTF8 SMTPUTF8", COMMAND_PARAMETER_TWICE, 0},
        {"FROM:<a@b> BODY", COMMAND_BODY_UNKNOWN, 0},
        {"FROM:<a@b> BODY=BINARYMIME", COMMAND_BODY_UNKNOWN, 0},
        {"FROM:<a@b> SMTPUTF8=1", COMMAND_PARAMETER_SYNTAX, 0},
        {"FROM:<a@b> FOO", COMMAND_PARAMETER_UNKNOWN, 0},
        {"FROM:<a@b> SIZEX=1", COMMAND_PARAMETER_UNKNOWN, 0},
        {"FROM:<a@b> =", COMMAND_PARAMETER_SYNTAX, 0},
        {"FROM:<a@b> -x", COMMAND_PARAMETER_SYNTAX, 0},
        {"FROM:<a@b> FOO=a=b", COMMAND_PARAMETER_SYNTAX, 0},
        {"FROM:<a@b> FOO=a\tb", COMMAND_PARAMETER_SYNTAX, 0},
        {"FROM:<a@b> AUTH=<>", COMMAND_OK, 0},
        {"FROM:<a@b> auth=c@d", COMMAND_OK, 0},
        {"FROM:<a@b> AUTH=e+3Dmc2@example.com", COMMAND_OK, 0},
        {"FROM:<a@b> AUTH=+22x+20y+22@d", COMMAND_OK, 0},
        {"FROM:<a@b> AUTH", COMMAND_AUTH_SYNTAX, 0},
        {"FROM:<a@b> AUTH=c", COMMAND_AUTH_SYNTAX, 0},
        {"FROM:<a@b> AUTH=<c@d>", COMMAND_AUTH_SYNTAX, 0},
        {"FROM:<a@b> AUTH=@c:d@e", COMMAND_AUTH_SYNTAX, 0},
        {"FROM:<a@b> AUTH=c@d+3E", COMMAND_AUTH_SYNTAX, 0},
        {"FROM:<a@b> AUTH=x+0D+0Ay", COMMAND_AUTH_SYNTAX, 0},
        {"FROM:<a@b> AUTH=c+00@d", COMMAND_AUTH_SYNTAX, 0},
        {"FROM:<a@b> AUTH=c@d+", COMMAND_AUTH_SYNTAX, 0},
        {"FROM:<a@b> AUTH=c@d+3", COMMAND_AUTH_SYNTAX, 0},
        {"FROM:<a@b> AUTH=c+3d@d", COMMAND_AUTH_SYNTAX, 0},
        {"FROM:<a@b> AUTH=c\x80@d", COMMAND_AUTH_SYNTAX, 0},
        {"FROM:<a@b> AUTH=<> AUTH=<>", COMMAND_PARAMETER_TWICE, 0},
        {"FROM:<a@b>\tSIZE=1", COMMAND_ADDRESS_SYNTAX, 0},
        {"FROM:<a@b>x", COMMAND_ADDRESS_SYNTAX, 0},
        {"FROM:<a@b>>", COMMAND_ADDRESS_SYNTAX, 0},
        {"FROM:<<a@b>>", COMMAND_ADDRESS_SYNTAX, 0},
        {"FROM:<a@b", COMMAND_ADDRESS_SYNTAX, 0},
        {"FROM:a@b", COMMAND_SYNTAX, 0},
        {"FROM:a@b>", COMMAND_SYNTAX, 0},
        {"FROM <a@b>", COMMAND_SYNTAX, 0},
        {"FROM :<a@b>", COMMAND_SYNTAX, 0},
        {"FROM:", COMMAND_SYNTAX, 0},
        {"FROM", COMMAND_SYNTAX, 0},
        {"TO:<a@b>", COMMAND_SYNTAX, 0},
        {"", COMMAND_SYNTAX, 0},
        {"FROM:<\xc3\xa4@b>", COMMAND_ADDRESS_UTF8, 0},
        {"FROM:<\xc3\xa4@b> SMTPUTF8", COMMAND_OK, 0},
        {"FROM:<\xff@b> SMTPUTF8", COMMAND_ADDRESS_UTF8, 0},
    };
    struct command_mail mail;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum command_result result =
            command_parse_mail(&mail, rows[i].argument, strlen(rows[i].argument), true);
        if (result != rows[i].result)
            fail_msg("%s: %d, not %d", rows[i].argument, result, rows[i].result);
        if (result == COMMAND_OK)
            assert_int_equal(mail.size, rows[i].size);
    }
    assert_int_equal(command_parse_mail(&mail, "FROM:<a@b> BODY=8bitmime", 24, true), COMMAND_OK);
    assert_true(mail.body_8bit);
    assert_int_equal(command_parse_mail(&mail, "FROM:<a@b> SIZE=1", 17, false),
                     COMMAND_PARAMETER_UNKNOWN);
    assert_int_equal(command_parse_mail(&mail, "FROM:<a@b>", 10, false), COMMAND_OK);
}

/* RFC 4954 5: 500 octets more, all of which may be escapes. */
static void test_long_auth(void **state)
{
    char argument[1024] = "FROM:<a@b> AUTH=";
    size_t const start = strlen(argument);
    struct command_mail mail;
    (void)state;
    for (size_t i = 0; i < 900; i++)
        argument[start + i] = "+41"[i % 3];
    for (size_t length = 480; length < 900; length++)
        assert_int_equal(command_parse_mail(&mail, argument, start + length, true),
                         COMMAND_AUTH_SYNTAX);
    memcpy(argument + start + 30, "@b", 2);
    assert_int_equal(command_parse_mail(&mail, argument, start + 32, true), COMMAND_OK);
    assert_true(mail.auth);
}

static void test_rcpt(void **state)
{
    struct address address;
    (void)state;
    assert_int_equal(command_parse_rcpt(&address, "TO:<a@b>", 8, true, false), COMMAND_OK);
    assert_string_equal(address.bytes, "a@b");
    assert_int_equal(command_parse_rcpt(&address, "TO:<a@b> X=1", 12, true, false),
                     COMMAND_PARAMETER_UNKNOWN);
    assert_int_equal(command_parse_rcpt(&address, "FROM:<a@b>", 10, true, false), COMMAND_SYNTAX);
    assert_int_equal(command_parse_rcpt(&address, "TO:<\xc3\xa4@b>", 9, true, false),
                     COMMAND_ADDRESS_UTF8);
    assert_int_equal(command_parse_rcpt(&address, "TO:<\xc3\xa4@b>", 9, true, true), COMMAND_OK);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(test_verbs),     cmocka_unit_test(test_bdat),
        cmocka_unit_test(test_limits),    cmocka_unit_test(test_mail),
        cmocka_unit_test(test_long_auth), cmocka_unit_test(test_rcpt)};
    return cmocka_run_group_tests_name("command", tests, 0, 0);
}
