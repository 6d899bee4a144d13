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
    assert_int_equal(command_limit("MAIL FROM:", 10), 1181);
    assert_int_equal(command_limit("rcpt TO:", 8), 1058);
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
    struct command_rcpt rcpt;
    (void)state;
    assert_int_equal(command_parse_rcpt(&rcpt, "TO:<a@b>", 8, true, false), COMMAND_OK);
    assert_string_equal(rcpt.recipient.bytes, "a@b");
    assert_false(rcpt.dsn);
    assert_int_equal(command_parse_rcpt(&rcpt, "TO:<a@b> X=1", 12, true, false),
                     COMMAND_PARAMETER_UNKNOWN);
    assert_int_equal(command_parse_rcpt(&rcpt, "FROM:<a@b>", 10, true, false), COMMAND_SYNTAX);
    assert_int_equal(command_parse_rcpt(&rcpt, "TO:<\xc3\xa4@b>", 9, true, false),
                     COMMAND_ADDRESS_UTF8);
    assert_int_equal(command_parse_rcpt(&rcpt, "TO:<\xc3\xa4@b>", 9, true, true), COMMAND_OK);
}

/* RFC 3461 4. */
static void test_dsn_of_mail(void **state)
{
    static struct {
        char const *argument;
        enum command_result result;
    } const rows[] = {
        {"FROM:<a@b> RET=FULL", COMMAND_OK},
        {"FROM:<a@b> ret=hdrs ENVID=QQ314159", COMMAND_OK},
        {"FROM:<a@b> ENVID=a+3Db", COMMAND_OK},
        {"FROM:<a@b> RET", COMMAND_RET_UNKNOWN},
        {"FROM:<a@b> RET=NONE", COMMAND_RET_UNKNOWN},
        {"FROM:<a@b> RET=FULL RET=FULL", COMMAND_PARAMETER_TWICE},
        {"FROM:<a@b> ENVID", COMMAND_ENVID_SYNTAX},
        {"FROM:<a@b> ENVID=", COMMAND_PARAMETER_SYNTAX},
        {"FROM:<a@b> ENVID=a=b", COMMAND_PARAMETER_SYNTAX},
        {"FROM:<a@b> ENVID=a+3db", COMMAND_ENVID_SYNTAX},
        {"FROM:<a@b> ENVID=a+0D+0AX:y", COMMAND_ENVID_SYNTAX},
        {"FROM:<a@b> ENVID=\xc3\xa4", COMMAND_ENVID_SYNTAX},
        {"FROM:<a@b> ENVID=a ENVID=a", COMMAND_PARAMETER_TWICE},
        {"FROM:<a@b> NOTIFY=NEVER", COMMAND_PARAMETER_UNKNOWN},
    };
    struct command_mail mail;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char const *const argument = rows[i].argument;
        enum command_result const result =
            command_parse_mail(&mail, argument, strlen(argument), true);
        if (result != rows[i].result)
            fail_msg("%s: %d, not %d", argument, result, rows[i].result);
        assert_int_equal(command_parse_mail(&mail, argument, strlen(argument), false) == COMMAND_OK,
                         false);
    }
    assert_int_equal(command_parse_mail(&mail, "FROM:<a@b> RET=HDRS ENVID=xyz", 29, true),
                     COMMAND_OK);
    assert_true(mail.dsn);
    assert_int_equal(mail.return_wish, DSN_RETURN_HEADERS);
    assert_int_equal(mail.envid_length, 3);
    assert_memory_equal(mail.envid, "xyz", 3);
}

static void test_dsn_of_rcpt(void **state)
{
    static struct {
        char const *argument;
        enum command_result result;
        unsigned int notify;
    } const rows[] = {
        {"TO:<a@b> NOTIFY=NEVER", COMMAND_OK, DSN_NEVER},
        {"TO:<a@b> notify=success,Delay", COMMAND_OK, DSN_SUCCESS | DSN_DELAY},
        {"TO:<a@b> NOTIFY=FAILURE ORCPT=rfc822;X@b", COMMAND_OK, DSN_FAILURE},
        {"TO:<a@b> ORCPT=rfc822;a+2Bx@b NOTIFY=DELAY", COMMAND_OK, DSN_DELAY},
        {"TO:<a@b> ORCPT=utf-8;\\x{E4}@b", COMMAND_OK, 0},
        {"TO:<a@b> NOTIFY", COMMAND_NOTIFY_UNKNOWN, 0},
        {"TO:<a@b> NOTIFY=NEVER,FAILURE", COMMAND_NOTIFY_UNKNOWN, 0},
        {"TO:<a@b> NOTIFY=FAILURE,FAILURE", COMMAND_NOTIFY_UNKNOWN, 0},
        {"TO:<a@b> NOTIFY=FAILURE,", COMMAND_NOTIFY_UNKNOWN, 0},
        {"TO:<a@b> NOTIFY=FAILURE, DELAY", COMMAND_NOTIFY_UNKNOWN, 0},
        {"TO:<a@b> NOTIFY=FAILURE NOTIFY=DELAY", COMMAND_PARAMETER_TWICE, 0},
        {"TO:<a@b> ORCPT", COMMAND_ORCPT_SYNTAX, 0},
        {"TO:<a@b> ORCPT=a@b", COMMAND_ORCPT_SYNTAX, 0},
        {"TO:<a@b> ORCPT=;a@b", COMMAND_ORCPT_SYNTAX, 0},
        {"TO:<a@b> ORCPT=rfc822;", COMMAND_ORCPT_SYNTAX, 0},
        {"TO:<a@b> ORCPT=rfc822;a+0A", COMMAND_ORCPT_SYNTAX, 0},
        {"TO:<a@b> ORCPT=utf-8;\xc3\xa4@b", COMMAND_ORCPT_SYNTAX, 0}, /* without SMTPUTF8 */
        {"TO:<a@b> ORCPT=x;y ORCPT=x;y", COMMAND_PARAMETER_TWICE, 0},
        {"TO:<a@b> RET=FULL", COMMAND_PARAMETER_UNKNOWN, 0},
    };
    struct command_rcpt rcpt;
    char argument[600] = "TO:<a@b> ORCPT=x;";
    size_t const start = strlen(argument);
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char const *const row = rows[i].argument;
        enum command_result const result = command_parse_rcpt(&rcpt, row, strlen(row), true, false);
        if (result != rows[i].result)
            fail_msg("%s: %d, not %d", row, result, rows[i].result);
        if (result == COMMAND_OK)
            assert_int_equal(rcpt.notify, rows[i].notify);
        assert_int_equal(command_parse_rcpt(&rcpt, row, strlen(row), false, false) == COMMAND_OK,
                         false);
    }
    assert_int_equal(command_parse_rcpt(&rcpt, "TO:<a@b> ORCPT=utf-8;\xc3\xa4@b", 25, true, true),
                     COMMAND_OK);
    assert_int_equal(command_parse_rcpt(&rcpt, "TO:<a@b> ORCPT=utf-8;\xc3@b", 24, true, true),
                     COMMAND_ORCPT_SYNTAX);
    memset(argument + start, 'a', sizeof argument - start);
    assert_int_equal(command_parse_rcpt(&rcpt, argument, start + DSN_ORCPT_MAX - 2, true, false),
                     COMMAND_OK);
    assert_int_equal(command_parse_rcpt(&rcpt, argument, start + DSN_ORCPT_MAX - 1, true, false),
                     COMMAND_ORCPT_SYNTAX);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(test_verbs),       cmocka_unit_test(test_bdat),
        cmocka_unit_test(test_limits),      cmocka_unit_test(test_mail),
        cmocka_unit_test(test_long_auth),   cmocka_unit_test(test_rcpt),
        cmocka_unit_test(test_dsn_of_mail), cmocka_unit_test(test_dsn_of_rcpt)};
    return cmocka_run_group_tests_name("command", tests, 0, 0);
}
