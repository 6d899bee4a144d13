#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/header_address.h"

/* The addresses of TEXT, each ended by `|`; `!` for a syntax error, `#` for one too long. */
static char const *read_list(char const *text, size_t length)
{
    static char out[8192];
    struct header_address_list list;
    struct header_address address;
    size_t used = 0;
    char *const exact = malloc(length + !length); /* a sanitizer build sees a read beyond it */
    assert_non_null(exact);
    memcpy(exact, text, length);
    header_address_start(&list, exact, length);
    for (;;) {
        enum header_address_result const result = header_address_next(&list, &address);
        if (result == HEADER_ADDRESS_SYNTAX || result == HEADER_ADDRESS_TOO_LONG)
            out[used++] = result == HEADER_ADDRESS_SYNTAX ? '!' : '#';
        if (result != HEADER_ADDRESS_ONE)
            break;
        assert_int_equal(strlen(address.bytes), address.length);
        assert_true(address.end <= length);
        if (address.has_domain)
            assert_int_equal(address.bytes[address.local_length], '@');
        else
            assert_int_equal(address.length, address.local_length);
        memcpy(out + used, address.bytes, address.length);
        used += address.length;
        out[used++] = '|';
    }
    out[used] = 0;
    free(exact);
    return out;
}

static struct {
    char const *text, *expected;
} const rows[] = {
    {"", ""},
    {" ", ""},
    {",", ""},
    {", ,\n\t,", ""},
    {"a@b", "a@b|"},
    {" a@b ,\n c@d\n", "a@b|c@d|"},
    {",a@b,,c@d,", "a@b|c@d|"},
    {"root", "root|"},
    {"root, joe", "root|joe|"},
    {"<root>", "root|"},
    {"<>", "|"},
    {"Anna <a@b>", "a@b|"},
    {"\"Doe, John\" <a@b>, c", "a@b|c|"},
    {"John Q. Public <a@b>", "a@b|"},
    {"=?UTF-8?Q?M=C3=BCller=2C_A?= <a@b>", "a@b|"},
    {"M\xc3\xbcller <a@b>", "a@b|"},
    {"M\xfcller <a@b>", "a@b|"}, /* Latin 1 in a phrase harms nobody */
    {"a@b <c@d>", "c@d|"},
    {"a@b (a comment, with <x@y>)", "a@b|"},
    {"(one (two) \\) ) a (three) @ (four) b (five)", "a@b|"},
    {"a . b @ c . d", "a.b@c.d|"},
    {"a..b.@c", "a..b.@c|"},
    {"\"a b\"@c", "a b@c|"},
    {"\"a\\\"b\\\\\"@c", "a\"b\\@c|"},
    {"\"a@b\"@c", "a@b@c|"},
    {"\"a\n b\"@c", "a b@c|"},
    {"\"a\".b@c", "a.b@c|"},
    {"a@[192.0.2.1]", "a@[192.0.2.1]|"},
    {"<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]|"},
    {"<@r1,@r2:a@b>", "a@b|"},
    {"<@r1.x , @[192.0.2.1] : a@b>", "a@b|"},
    {"undisclosed-recipients:;", ""},
    {"undisclosed-recipients: ;", ""},
    {"undisclosed-recipients:", ""},
    {"recipient list not shown: ;", ""},
    {"Friends: a@b, Anna <c@d>; e@f", "a@b|c@d|e@f|"},
    {"Friends: a@b; Others: c@d;, e@f", "a@b|c@d|e@f|"},
    {"\"My, friends\": a@b;", "a@b|"},
    {"a@b; c@d", "a@b|c@d|"},
    {"j\xc3\xb6rg@b\xc3\xbc"
     "cher.example",
     "j\xc3\xb6rg@b\xc3\xbc"
     "cher.example|"},
    {"a+b=c@d", "a+b=c@d|"},
    {"|/bin/sh", "|/bin/sh|"},
    {"-froot", "-froot|"},
    {"a b@c", "!"},
    {"a b", "!"},
    {"a@b c", "!"},
    {"a@b@c", "!"},
    {"@b", "!"},
    {"a@", "!"},
    {"\"\"@b", "!"},
    {"a@\"b\"", "!"},
    {"<a@b", "!"},
    {"a@b>", "!"},
    {"<a@b> c", "!"},
    {"<<a@b>>", "!"},
    {"<@r a@b>", "!"},
    {"\"a@b", "!"},
    {"(a@b", "!"},
    {"a@b (", "!"},
    {"a@[192.0.2.1", "!"},
    {"a@[b]c", "!"},
    {":a@b", "!"},
    {"x: y: a@b;", "!"},
    {"a@b:c@d;", "!"},
    {"a\\@b", "!"},
    {"a\x01@b", "!"},
    {"\"a\x01\"@b", "!"},
    {"\"a\tb\"@c", "!"},
    {"j\xf6rg@b", "!"},
    {"a@b\xe2\x80\xae.example", "!"}, /* a mark that turns the direction of text */
    {"good@x, bad bad", "good@x|!"},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(read_list(rows[i].text, strlen(rows[i].text)), rows[i].expected))
            fail_msg("`%s` gave `%s`, not `%s`", rows[i].text,
                     read_list(rows[i].text, strlen(rows[i].text)), rows[i].expected);
}

static void test_nul(void **state)
{
    (void)state;
    assert_string_equal(read_list("a\0b@c", 5), "!");
    assert_string_equal(read_list("\"a\0b\"@c", 7), "!");
    assert_string_equal(read_list("a@b (\0)", 7), "a@b|");
}

static void test_long(void **state)
{
    static char text[HEADER_ADDRESS_MAX + 64];
    (void)state;
    memset(text, 'a', sizeof text);
    memcpy(text + HEADER_ADDRESS_MAX - 2, "@b", 2);
    assert_string_not_equal(read_list(text, HEADER_ADDRESS_MAX), "#");
    assert_string_equal(read_list(text, HEADER_ADDRESS_MAX + 1), "#");
    memcpy(text + sizeof text - 6, " <a@b>", 6); /* a phrase may be longer */
    assert_string_equal(read_list(text, sizeof text), "a@b|");
}

/* However deep, without a stack. */
static void test_nested_comments(void **state)
{
    enum { DEPTH = 500000 };
    char *const text = malloc(2 * DEPTH + 3);
    (void)state;
    assert_non_null(text);
    memset(text, '(', DEPTH);
    memset(text + DEPTH, ')', DEPTH);
    memcpy(text + 2 * DEPTH, "a@b", 3);
    assert_string_equal(read_list(text, 2 * DEPTH + 3), "a@b|");
    assert_string_equal(read_list(text, 2 * DEPTH - 1), "!");
    free(text);
}

/* Where a domain would be completed. */
static void test_end(void **state)
{
    static struct {
        char const *text;
        size_t end, domain;
    } const ends[] = {{"joe", 3, 3},       {"joe (x)", 3, 3},        {"<joe>", 4, 4},
                      {"J <joe >", 6, 6},  {"joe@host", 8, 4},       {"<joe@host >", 9, 5},
                      {"\"j d\"", 5, 5},   {"joe @ host ", 10, 6},   {"<@r:joe (x) >", 7, 7},
                      {"joe@[::1]", 9, 4}, {"joe@ (x) a . b", 14, 9}};
    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct header_address_list list;
        struct header_address address;
        header_address_start(&list, ends[i].text, strlen(ends[i].text));
        assert_int_equal(header_address_next(&list, &address), HEADER_ADDRESS_ONE);
        if (address.end != ends[i].end || address.domain != ends[i].domain)
            fail_msg("`%s`: %zu, %zu", ends[i].text, address.domain, address.end);
    }
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(test_rows), cmocka_unit_test(test_nul), cmocka_unit_test(test_long),
        cmocka_unit_test(test_nested_comments), cmocka_unit_test(test_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
