#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/address.h"

#define REPEAT63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"

static struct address address;
static size_t consumed;

static enum address_result parse(char const *text, bool utf8)
{
    char exact[1024]; /* no byte behind the text: a sanitizer build would see a read beyond it */
    size_t length = strlen(text);
    assert_true(length <= sizeof exact);
    char *end = exact + sizeof exact - length;
    memcpy(end, text, length);
    memset(&address, 0xee, sizeof address);
    return address_parse_path(&address, end, length, utf8, &consumed);
}

static void test_accepted(void **state)
{
    static struct {
        char const *text, *bytes;
        size_t local;
        enum address_domain domain;
    } const rows[] = {
        {"<>", "", 0, ADDRESS_DOMAIN_NONE},
        {"<a@b>", "a@b", 1, ADDRESS_DOMAIN_NAME},
        {"<A.b@Example.COM>", "A.b@example.com", 3, ADDRESS_DOMAIN_NAME},
        {"<postmaster>", "postmaster", 10, ADDRESS_DOMAIN_NONE},
        {"<\"a b\"@x.test>", "a b@x.test", 3, ADDRESS_DOMAIN_NAME},
        {"<\"a\\\"b\\\\\"@x.test>", "a\"b\\@x.test", 4, ADDRESS_DOMAIN_NAME},
        {"<\"a@b\"@x.test>", "a@b@x.test", 3, ADDRESS_DOMAIN_NAME},
        {"<\"\\a\"@x.test>", "a@x.test", 1, ADDRESS_DOMAIN_NAME},
        {"<\"x@y.test\">", "x@y.test", 8, ADDRESS_DOMAIN_NONE},
        {"<@r.test:a@b.test>", "a@b.test", 1, ADDRESS_DOMAIN_NAME},
        {"<@r.test,@[192.0.2.1]:a@b.test>", "a@b.test", 1, ADDRESS_DOMAIN_NAME},
        {"<a@[192.0.2.1]>", "a@[192.0.2.1]", 1, ADDRESS_DOMAIN_LITERAL},
        {"<a@[ipv6:2001:DB8::1]>", "a@[IPv6:2001:db8::1]", 1, ADDRESS_DOMAIN_LITERAL},
        {"<!#$%&'*+-/=?^_`{|}~@b.test>", "!#$%&'*+-/=?^_`{|}~@b.test", 19, ADDRESS_DOMAIN_NAME},
        {"<a@_x.b_c.test>", "a@_x.b_c.test", 1, ADDRESS_DOMAIN_NAME},
        {"<a@" REPEAT63 ".test>", "a@" REPEAT63 ".test", 1, ADDRESS_DOMAIN_NAME},
        {"<" REPEAT63 "h@b.test>", REPEAT63 "h@b.test", 64, ADDRESS_DOMAIN_NAME},
        {"<SRS0=" REPEAT63 "@b.test>", "SRS0=" REPEAT63 "@b.test", 68, ADDRESS_DOMAIN_NAME},
        {"<srs1-" REPEAT63 REPEAT63 REPEAT63 "@b.test>",
         "srs1-" REPEAT63 REPEAT63 REPEAT63 "@b.test", 194, ADDRESS_DOMAIN_NAME},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (parse(rows[i].text, false) != ADDRESS_OK)
            fail_msg("refused: %s", rows[i].text);
        assert_string_equal(address.bytes, rows[i].bytes);
        assert_int_equal(address.length, strlen(rows[i].bytes));
        assert_int_equal(address.local_length, rows[i].local);
        assert_int_equal(address.domain, rows[i].domain);
        assert_int_equal(consumed, strlen(rows[i].text));
        assert_false(address.utf8);
    }
}

static void test_refused(void **state)
{
    static char const *const rows[] = {
        "",
        "<",
        "a@b",
        ">",
        "< a@b>",
        "<a@b",
        "<a@b >",
        "<a @b>",
        "<@b>",
        "<a@>",
        "<a@b@c>",
        "<a..b@c>",
        "<.a@c>",
        "<a.@c>",
        "<a@.c>",
        "<a@c.>",
        "<a@b..c>",
        "<a@-b>",
        "<a@b->",
        "<a@b.-c>",
        "<\"a@b>",
        "<\"a\\\"@b>",
        "<\"\"@b>",
        "<\"\">",
        "<a\"b\"@c>",
        "<\"a\"b@c>",
        "<\"a\".b@c>",
        "<(a)b@c>",
        "<a,b@c>",
        "<a;b@c>",
        "<a:b@c>",
        "<a\\b@c>",
        "<<a@b>>",
        "<a@[]>",
        "<a@[192.0.2]>",
        "<a@[192.0.2.256]>",
        "<a@[192.0.2.1>",
        "<a@192.0.2.1]>",
        "<a@[192.0.2.01]>",
        "<a@[192.0.2.1]x>",
        "<a@[IPv6:]>",
        "<a@[IPv6:1::2::3]>",
        "<a@[IPv6:192.0.2.1]>",
        "<a@[::1]>",
        "<a@[x:y]>",
        "<a@[[192.0.2.1]]>",
        "<a@[IPv6:",
        "<#@[]>",
        "<@a.test>",
        "<@a.test:>",
        "<@a.test,b@c>",
        "<@a.test,:b@c>",
        "<@:b@c>",
        "<@a.test:@b.test:c@d>",
        "<a\tb@c>",
        "<a\x1b@c>",
        "<a\x7f@c>",
        "<\"a\tb\"@c>",
        "<\"a\\\tb\"@c>",
        "<a@b\tc>",
        "<a@b c>",
        "<a@b!c>",
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (parse(rows[i], false) != ADDRESS_SYNTAX)
            fail_msg("not a syntax error: %s", rows[i]);
}

/* A path of LENGTH octets: labels of `d` in the domain. */
static void make_path(char *text, size_t length)
{
    static char const start[] = "<a@";
    memset(text, 'd', length);
    memcpy(text, start, sizeof start - 1);
    for (size_t i = 53; i < length - 3; i += 50)
        text[i] = '.';
    text[length - 1] = '>';
    text[length] = 0;
}

static void test_lengths(void **state)
{
    char text[700];
    (void)state;
    assert_int_equal(parse("<" REPEAT63 "hi@b.test>", false), ADDRESS_TOO_LONG);
    assert_int_equal(parse("<\"" REPEAT63 "hi\"@b.test>", false), ADDRESS_TOO_LONG);
    assert_int_equal(parse("<a@" REPEAT63 "h.test>", false), ADDRESS_SYNTAX);
    assert_int_equal(parse("<SRS2=" REPEAT63 "@b.test>", false), ADDRESS_TOO_LONG);
    assert_int_equal(parse("<SRS0." REPEAT63 "@b.test>", false), ADDRESS_TOO_LONG);
    assert_int_equal(parse("<SRS0=" REPEAT63 REPEAT63 REPEAT63 REPEAT63 "@b.test>", false),
                     ADDRESS_TOO_LONG);
    assert_int_equal(parse("<SRS0=" REPEAT63 REPEAT63 REPEAT63 "@" REPEAT63 "." REPEAT63
                           "." REPEAT63 ".test>",
                           false),
                     ADDRESS_TOO_LONG);
    make_path(text, 256);
    assert_int_equal(parse(text, false), ADDRESS_OK);
    make_path(text, 257);
    assert_int_equal(parse(text, false), ADDRESS_TOO_LONG);
    make_path(text, 600);
    assert_int_equal(parse(text, false), ADDRESS_TOO_LONG);
    for (size_t length = 200; length < 300; length++) {
        make_path(text, length);
        text[length - 1] = 'd';
        assert_true(address_is_domain(text + 3, length - 3, false) == (length - 3 <= 255));
    }
}

static void test_every_truncation(void **state)
{
    static char const *const rows[] = {"<@r.test,@[192.0.2.1]:\"a\\\"b\"@b.test>",
                                       "<a.b@[IPv6:2001:db8::1]>", "<\xc3\xa4@\xe4\xb8\xad.test>"};
    char text[128];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(parse(rows[i], true), ADDRESS_OK);
        for (size_t length = 0; length < strlen(rows[i]); length++) {
            memcpy(text, rows[i], length);
            text[length] = 0;
            assert_int_not_equal(parse(text, true), ADDRESS_OK);
        }
    }
}

static void test_nul_is_no_end(void **state)
{
    static char const text[] = "<a@b\0>@c>", quoted[] = "<\"a\0b\"@c>",
                      literal[] = "<a@[1.2.3.4\0]>";
    (void)state;
    assert_int_equal(address_parse_path(&address, text, sizeof text - 1, true, &consumed),
                     ADDRESS_SYNTAX);
    assert_int_equal(address_parse_path(&address, quoted, sizeof quoted - 1, true, &consumed),
                     ADDRESS_SYNTAX);
    assert_int_equal(address_parse_path(&address, literal, sizeof literal - 1, true, &consumed),
                     ADDRESS_SYNTAX);
    assert_false(address_is_literal("[1.2.3.4\0]", 10));
}

static void test_utf8(void **state)
{
    static char const *const good[] = {"<\xc3\xa4@b.test>", "<a@\xc3\xa4.test>",
                                       "<\"\xf0\x9f\x98\x80 x\"@b.test>",
                                       "<@\xc3\xa4.test:a@b.test>"};
    static char const *const bad[] = {
        "<\xff@b>",             /* no UTF-8 at all */
        "<\x80@b>",             /* a continuation alone */
        "<\xc3@b>",             /* cut */
        "<\xc0\xaf@b>",         /* overlong */
        "<\xe0\x80\x80@b>",     /* overlong U+0000 */
        "<\xf0\x80\x80\xaf@b>", /* overlong */
        "<\xed\xa0\x80@b>",     /* surrogate */
        "<\xf4\x90\x80\x80@b>", /* beyond U+10FFFF */
        "<\xf8\x88\x80\x80\x80@b>",
        "<\xe2\x80\xae@b>",     /* right-to-left override */
        "<\"\xe2\x81\xa6\"@b>", /* an isolate */
        "<\xc2\x9b@b>",         /* a C1 control character */
        ("<a@\xe2\x80\x8f"
         "b>"), /* a mark in the domain */
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(parse(good[i], true), ADDRESS_OK);
        assert_int_equal(address.utf8, i != 3); /* the route is forgotten */
        assert_int_equal(parse(good[i], false), ADDRESS_UTF8);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (parse(bad[i], true) != ADDRESS_UTF8)
            fail_msg("row %zu: %d", i, parse(bad[i], true));
    assert_int_equal(parse("<a@b\xe3\x80\x82"
                           "c>",
                           true),
                     ADDRESS_SYNTAX); /* another script's dot */
    assert_true(address_is_utf8("plain \xc3\xa4", 8));
    assert_false(address_is_utf8("a\nb", 3));
    assert_false(address_is_utf8("\xc3", 1));
}

static void test_literals(void **state)
{
    ip46 ip;
    (void)state;
    assert_true(address_literal_ip("[192.0.2.1]", 11, &ip));
    assert_false(ip.is6);
    assert_memory_equal(ip.ip, "\300\0\2\1", 4);
    assert_true(address_literal_ip("[IPV6:::ffff:192.0.2.1]", 23, &ip));
    assert_false(ip.is6);
    assert_memory_equal(ip.ip, "\300\0\2\1", 4);
    assert_true(address_literal_ip("[IPv6:::1]", 10, &ip));
    assert_true(ip.is6);
    assert_false(address_literal_ip("192.0.2.1", 9, &ip));
    assert_false(address_literal_ip("[", 1, &ip));
    assert_false(address_literal_ip("", 0, &ip));
}

/* What address_quote writes, parsed again, is what it was. */
static void test_quote(void **state)
{
    static char const *const rows[][2] = {
        {"", ""},
        {"a@b.test", "a@b.test"},
        {"a b@b.test", "\"a b\"@b.test"},
        {"a\"b\\@b.test", "\"a\\\"b\\\\\"@b.test"},
        {"a@b@b.test", "\"a@b\"@b.test"},
        {"a..b@b.test", "\"a..b\"@b.test"},
        {".@b.test", "\".\"@b.test"},
        {"a@[192.0.2.1]", "a@[192.0.2.1]"},
        {"\xc3\xa4@b.test", "\xc3\xa4@b.test"},
        {"postmaster", "postmaster"},
    };
    stralloc out = STRALLOC_ZERO;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[200];
        out.len = 0;
        assert_true(address_quote(&out, rows[i][0], strlen(rows[i][0])));
        assert_int_equal(out.len, strlen(rows[i][1]));
        assert_memory_equal(out.s, rows[i][1], out.len);
        snprintf(path, sizeof path, "<%s>", rows[i][1]);
        assert_int_equal(parse(path, true), ADDRESS_OK);
        assert_string_equal(address.bytes, rows[i][0]);
    }
    stralloc_free(&out);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(test_accepted),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_lengths),       cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_nul_is_no_end), cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_literals),      cmocka_unit_test(test_quote),
    };
    return cmocka_run_group_tests_name("address", tests, 0, 0);
}
