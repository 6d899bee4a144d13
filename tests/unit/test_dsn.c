/* The values of RFC 3461's parameters, and nothing that only looks like them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/dsn.h"

static void values_by_table(void **state)
{
    static struct {
        char const *text;
        bool envid, orcpt;
    } const rows[] = {
        {"QQ314159", true, false},
        {"a+3Db", true, false},
        {"a+20b+09c", true, false},
        {"rfc822;Bob@Example.test", true, true},
        {"rfc822;a+2Bb@Example.test", true, true},
        {"utf-8;\xc3\xbc@x.test", false, true},
        {"UTF-8;\\x{FC}@x.test", true, true},
        {"utf-80;\xc3\xbc@x.test", false, false},
        {"utf-;\xc3\xbc@x.test", false, false},
        {"rfc822;\xc3\xbc@x.test", false, false},
        {"x400;a;b", true, true},
        {"", false, false},
        {"rfc822;", true, false},
        {";a@b.test", true, false},
        {"rfc822", true, false},
        {"rf(c;a@b.test", true, false},
        {"rfc822;a=b", false, false},
        {"rfc822;a b", false, false},
        {"rfc822;a+b", false, false},
        {"rfc822;a+2b", false, false}, /* RFC 3461 4: upper case */
        {"rfc822;a+2", false, false},
        {"rfc822;a+", false, false},
        {"rfc822;a+0D+0A", false, false},
        {"rfc822;a+00", false, false},
        {"rfc822;a+7F", false, false},
        {"rfc822;j+C3+BCrgen@a.test", true, true}, /* Postfix */
        {"a\x7f", false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(dsn_is_envid(rows[i].text, strlen(rows[i].text)), rows[i].envid);
        assert_int_equal(dsn_is_orcpt(rows[i].text, strlen(rows[i].text)), rows[i].orcpt);
    }
}

static void lengths_are_bounded(void **state)
{
    char text[DSN_ORCPT_MAX + 1];
    (void)state;
    memset(text, 'a', sizeof text);
    assert_true(dsn_is_envid(text, DSN_ENVID_MAX));
    assert_false(dsn_is_envid(text, DSN_ENVID_MAX + 1));
    text[1] = ';';
    assert_true(dsn_is_orcpt(text, DSN_ORCPT_MAX));
    assert_false(dsn_is_orcpt(text, DSN_ORCPT_MAX + 1));
}

static void notify_by_table(void **state)
{
    static struct {
        char const *text, *value, *letters;
    } const rows[] = {
        {"NEVER", "NEVER", "N"},
        {"never", "NEVER", "N"},
        {"SUCCESS", "SUCCESS", "S"},
        {"delay,Failure", "FAILURE,DELAY", "FD"},
        {"DELAY,FAILURE,SUCCESS", "SUCCESS,FAILURE,DELAY", "SFD"},
        {"DELAY,SUCCESS", "SUCCESS,DELAY", "SD"},
        {"", NULL, NULL},
        {",", NULL, NULL},
        {"SUCCESS,", NULL, NULL},
        {",SUCCESS", NULL, NULL},
        {"SUCCESS,SUCCESS", NULL, NULL},
        {"NEVER,NEVER", NULL, NULL},
        {"NEVER,SUCCESS", NULL, NULL},
        {"SUCCESS,NEVER", NULL, NULL},
        {"SUCCESS;DELAY", NULL, NULL},
        {"SUCCES", NULL, NULL},
        {"NEVERMORE", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsigned int const bits = dsn_parse_notify(rows[i].text, strlen(rows[i].text));
        assert_int_equal(bits != 0, rows[i].value != NULL);
        if (!rows[i].value)
            continue;
        assert_string_equal(dsn_notify_value(bits), rows[i].value);
        assert_string_equal(dsn_notify_letters(bits), rows[i].letters);
        assert_int_equal(dsn_notify_bits(rows[i].letters, strlen(rows[i].letters)), bits);
    }
    assert_int_equal(dsn_notify_bits("DS", 2), 0);
    assert_int_equal(dsn_notify_bits("NS", 2), 0);
    assert_int_equal(dsn_notify_bits("", 0), 0);
}

static void xtext_is_decoded(void **state)
{
    char out[20];
    (void)state;
    dsn_decode(out, "a+2Bb+3D+20c", 12);
    assert_string_equal(out, "a+b= c");
    dsn_decode(out, "j+C3+BC+2B", 10);
    assert_string_equal(out, "j+C3+BC+");
    dsn_decode(out, "", 0);
    assert_string_equal(out, "");
}

static void orcpt_for_everybody(void **state)
{
    char out[DSN_ORCPT_MAX + 1], text[DSN_ORCPT_MAX + 1] = "utf-8;";
    (void)state;
    assert_true(dsn_orcpt_ascii(out, "utf-8;j\xc3\xbcr\xe2\x82\xac\xf0\x9f\x98\x80@x.test"));
    assert_string_equal(out, "utf-8;j\\x{FC}r\\x{20AC}\\x{1F600}@x.test");
    assert_true(dsn_orcpt_ascii(out, "rfc822;a+2Bb@x.test"));
    assert_string_equal(out, "rfc822;a+2Bb@x.test");
    assert_false(dsn_orcpt_ascii(out, "utf-8;\xfc@x.test"));
    for (size_t i = 6; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xbc", 3);
    assert_false(dsn_orcpt_ascii(out, text));
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(values_by_table),     cmocka_unit_test(lengths_are_bounded),
        cmocka_unit_test(notify_by_table),     cmocka_unit_test(xtext_is_decoded),
        cmocka_unit_test(orcpt_for_everybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
