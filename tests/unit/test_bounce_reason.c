/* queue/bounce_reason.h: texts of others, taken apart and made fit to be seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "queue/bounce_reason.h"

static void texts_are_taken_apart(void **state)
{
    (void)state;
    static struct {
        char const *text, *code, *peer, *reply;
    } const cases[] = {
        {"5.1.1 mx.a.test[192.0.2.1]:25 said: 550 no", "5.1.1", "mx.a.test", "550 no"},
        {"5.1.1 [192.0.2.1]:25 said: 550", "5.1.1", "192.0.2.1", "550"},
        {"5.1.1 [2001:db8::1]:25 said: 550 no", "5.1.1", "2001:db8::1", "550 no"},
        {"5.123.456 a said: 550 b said: 551", "5.123.456", "a", "550 b said: 551"},
        {"4.4.2 a said: 55 no", "4.4.2", "", ""},
        {"4.4.2 a said: 5501 no", "4.4.2", "", ""},
        {"4.4.2 a said: ", "4.4.2", "", ""},
        {"4.4.2 a said:", "4.4.2", "", ""},
        {"5.1.1 a(b said: 550 x", "5.1.1", "", "550 x"},
        {"5.1.1 [1.2.3.4 said: 550 x", "5.1.1", "", "550 x"},
        {"a said: 550 x", "5.0.0", "a", "550 x"},
        {"5.1.1", "5.1.1", "", ""},
        {"5.1.1x", "5.0.0", "", ""},
        {"5.1", "5.0.0", "", ""},
        {"5.1.", "5.0.0", "", ""},
        {"5..1 x", "5.0.0", "", ""},
        {"5.1234.1 x", "5.0.0", "", ""},
        {"3.1.1 x", "5.0.0", "", ""},
        {"", "5.0.0", "", ""},
        {" said: 550", "5.0.0", "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bounce_reason reason;
        char *const copy = strdup(cases[i].text);
        assert_non_null(copy);
        bounce_reason_parse(&reason, copy, '5');
        assert_string_equal(reason.code, cases[i].code);
        assert_int_equal(reason.peer_length, strlen(cases[i].peer));
        assert_memory_equal(reason.peer, cases[i].peer, reason.peer_length);
        assert_string_equal(reason.reply, cases[i].reply);
        free(copy);
    }
}

static void codes_have_words(void **state)
{
    (void)state;
    static struct {
        char const *text, *words;
    } const cases[] = {
        {"5.1.1 x", "There is no such mailbox."},
        {"5.1.10 x", "The domain says that it takes no mail."},
        {"5.1.11 x", "The address was refused."},
        {"4.2.2 x", "The mailbox is full."},
        {"5.7.26 x", "The server refused the message by its policy."},
        {"5.9.9 x", "The message could not be delivered."},
        {"nothing", "The message could not be delivered."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bounce_reason reason;
        bounce_reason_parse(&reason, cases[i].text, '4');
        assert_string_equal(reason.words, cases[i].words);
    }
}

static void shown(char const *text, size_t maximum, bool utf8, char const *expected)
{
    stralloc out = STRALLOC_ZERO;
    assert_true(stralloc_cats(&out, "> ") && bounce_show(&out, text, strlen(text), maximum, utf8) &&
                stralloc_0(&out));
    assert_string_equal(out.s + 2, expected);
    stralloc_free(&out);
}

static void what_is_shown_is_printable_and_bounded(void **state)
{
    (void)state;
    shown("a\tb\r\n\x7f~", 10, true, "a?b???~");
    shown("\xc3\xbc", 10, true, "\xc3\xbc");
    shown("\xc3\xbc", 10, false, "??");
    shown("\xc3", 10, true, "?");
    shown("\xe2\x80\xae", 10, true, "???"); /* it would turn the line round */
    shown("1234567890", 10, true, "1234567890");
    shown("12345678901", 10, true, "1234567...");
    shown("123456\xc3\xbc"
          "8901",
          10, true, "123456...");
    shown("12345\xc3\xbc"
          "8901",
          10, true, "12345\xc3\xbc...");
    shown("1234", 0, true, "");
    shown("1234", 3, true, "...");
}

static void addresses_are_shown_as_on_the_wire(void **state)
{
    (void)state;
    stralloc out = STRALLOC_ZERO;
    assert_true(bounce_show_address(&out, "a b@c.test", 10, false) && stralloc_0(&out));
    assert_string_equal(out.s, "\"a b\"@c.test");
    char address[1003];
    memset(address, '"', sizeof address);
    out.len = 0;
    assert_true(bounce_show_address(&out, address, sizeof address, false));
    assert_int_equal(out.len, 900);
    stralloc_free(&out);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(texts_are_taken_apart),
        cmocka_unit_test(codes_have_words),
        cmocka_unit_test(what_is_shown_is_printable_and_bounded),
        cmocka_unit_test(addresses_are_shown_as_on_the_wire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
