/* judge/dnsbl_line.h: lines of dnsbl and rhsbl, and what an answer means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "judge/dnsbl_line.h"

static struct dnsbl list;

static bool parse(char const *line, bool domains)
{
    return !dnsbl_line_parse(&list, line, strlen(line), domains);
}

static enum dnsbl_meaning meaning(char const *text)
{
    ip46 ip;
    assert_true(ip46_scan(text, &ip) > 0);
    return dnsbl_line_meaning(&list, &ip);
}

static void test_lines(void **state)
{
    (void)state;
    assert_true(parse("Zen.Example.", false));
    assert_string_equal(list.zone, "zen.example");
    assert_true(!list.allow && list.weight == 1 && list.range_count == 0 && !*list.text);
    assert_true(parse("+ok.example", false));
    assert_true(list.allow && list.weight == 0);
    assert_true(parse("a.example\t127.0.0.2,127.0.0.4-127.0.0.11,127.0.1.0/24  weight=1000 Go  "
                      "away: weight=2",
                      false));
    assert_int_equal(list.range_count, 3);
    assert_int_equal(list.ranges[1].first, 0x7f000004);
    assert_int_equal(list.ranges[1].last, 0x7f00000b);
    assert_int_equal(list.ranges[2].last, 0x7f0001ff);
    assert_int_equal(list.weight, 1000);
    assert_string_equal(list.text, "Go  away: weight=2");
    assert_true(parse("a.example weight=2 127.0.0.2", false));
    assert_int_equal(list.range_count, 1);
    assert_true(parse("a.example", true) && list.helo && list.sender);
    assert_true(parse("a.example for=helo", true) && list.helo && !list.sender);
    assert_true(parse("a.example for=sender", true) && !list.helo && list.sender);
    assert_true(parse("a.example for=sender,helo", true) && list.helo && list.sender);
}

static void test_no_lines(void **state)
{
    static char const *const lines[] = {
        "a",
        ".",
        "+",
        "a..example",
        "a b.example 1",
        "a.ex@mple",
        "http://a.example",
        "a.example 127.0.0.2,",
        "a.example 127.0.0.2 127.0.0.3",
        "a.example 127.0.0.9-127.0.0.2",
        "a.example 127.0.0.0/24-127.0.1.0/24",
        "a.example 127.0.0.2-",
        "a.example 127.255.255.254",
        "a.example 127.0.0.0/8",
        "a.example 126.0.0.0-127.0.0.1",
        "a.example 10.0.0.1",
        "a.example 0.0.0.0/0",
        "a.example 127.0.0.256",
        "a.example 127.0.0.1/24",
        "a.example weight=0",
        "a.example weight=1001",
        "a.example weight=",
        "a.example weight=-1",
        "a.example weight=99999999999999999999",
        "a.example weight=1 weight=1",
        "+a.example weight=1",
        "a.example for=",
        "a.example for=helo for=helo",
        "a.example for=rcpt",
        "a.example caf\xc3\xa9",
        "a.example a\x01",
    };
    char line[DNSBL_ZONE_MAX + DNSBL_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_false(parse(lines[i], true));
    assert_false(parse("a.example for=helo", false));
    /* Bounds. */
    memset(line, 'x', sizeof line);
    memcpy(line, "a.example ", 10);
    assert_null(dnsbl_line_parse(&list, line, 10 + DNSBL_TEXT_MAX, false));
    assert_int_equal(strlen(list.text), DNSBL_TEXT_MAX);
    assert_non_null(dnsbl_line_parse(&list, line, 10 + DNSBL_TEXT_MAX + 1, false));
    for (size_t i = 0; i < sizeof line; i++)
        line[i] = i % 10 == 9 ? '.' : 'z';
    assert_null(dnsbl_line_parse(&list, line, DNSBL_ZONE_MAX - 1, false));
    assert_non_null(dnsbl_line_parse(&list, line, DNSBL_ZONE_MAX + 1, false));
}

static void test_meanings(void **state)
{
    (void)state;
    assert_true(parse("a.example", false));
    assert_int_equal(meaning("127.0.0.2"), DNSBL_LISTED);
    assert_int_equal(meaning("127.255.254.255"), DNSBL_LISTED);
    assert_int_equal(meaning("127.0.0.1"), DNSBL_ERROR);
    assert_int_equal(meaning("127.255.255.0"), DNSBL_ERROR);
    assert_int_equal(meaning("127.255.255.255"), DNSBL_ERROR);
    assert_int_equal(meaning("126.255.255.255"), DNSBL_ERROR);
    assert_int_equal(meaning("128.0.0.2"), DNSBL_ERROR);
    assert_int_equal(meaning("255.255.255.255"), DNSBL_ERROR);
    assert_int_equal(meaning("0.0.0.0"), DNSBL_ERROR);
    assert_int_equal(meaning("2001:db8::2"), DNSBL_ERROR);
    assert_true(parse("a.example 127.0.0.1,127.0.0.4-127.0.0.6", false));
    assert_int_equal(meaning("127.0.0.1"), DNSBL_LISTED);
    assert_int_equal(meaning("127.0.0.3"), DNSBL_OTHER);
    assert_int_equal(meaning("127.0.0.4"), DNSBL_LISTED);
    assert_int_equal(meaning("127.0.0.6"), DNSBL_LISTED);
    assert_int_equal(meaning("127.0.0.7"), DNSBL_OTHER);
    assert_int_equal(meaning("127.255.255.254"), DNSBL_ERROR);
}

int main(void)
{
    struct CMUnitTest const tests[] = {cmocka_unit_test(test_lines),
                                       cmocka_unit_test(test_no_lines),
                                       cmocka_unit_test(test_meanings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
