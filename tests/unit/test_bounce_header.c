/* queue/bounce_header.h: the few fields that decide about answers, in whatever a header holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "queue/bounce_header.h"

/* Copies the bytes to memory of exactly their size, so that a sanitizer sees each byte too far. */
static struct bounce_header look(char const *bytes, size_t length)
{
    struct bounce_header header;
    char *const copy = malloc(length ? length : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    bounce_header_look(&header, copy, length);
    free(copy);
    return header;
}

static void fields_are_found(void **state)
{
    (void)state;
    static struct {
        char const *text;
        bool automatic, bulk, list;
    } const cases[] = {
        {"Auto-Submitted: auto-replied\n\n", true, false, false},
        {"auto-submitted :\n\tAuto-Generated\n\n", true, false, false},
        {"Auto-Submitted: no\n\n", false, false, false},
        {"Auto-Submitted: no; reason=x\n\n", false, false, false},
        {"Auto-Submitted: not\n\n", true, false, false},
        {"Auto-Submitted: no\nAuto-Submitted: yes\n\n", true, false, false},
        {"Precedence: BULK\r\n\r\n", false, true, false},
        {"Precedence: bulkier\n\n", false, false, false},
        {"Precedence: list", false, false, false}, /* cut, for all we know */
        {"Precedence: list\n", false, true, false},
        {"List-Id: x\n\n", false, false, true},
        {"List-\n : x\n\n", false, false, true},
        {"Lists: x\nX-List-Id: x\n\n", false, false, false},
        {"Subject: x\n List-Id: y\n\n", false, false, false},
        {" List-Id: y\n\n", false, false, false},
        {"Subject: x\n\nList-Id: in the body\n", false, false, false},
        {"\nList-Id: in the body\n", false, false, false},
        {": List-Id: x\n\n", false, false, false},
        {"", false, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bounce_header const header = look(cases[i].text, strlen(cases[i].text));
        assert_int_equal(header.automatic, cases[i].automatic);
        assert_int_equal(header.bulk, cases[i].bulk);
        assert_int_equal(header.list, cases[i].list);
    }
}

static void the_first_sane_message_id_is_kept(void **state)
{
    (void)state;
    static struct {
        char const *text, *expected;
    } const cases[] = {
        {"Message-ID: <a@b>\n\n", "<a@b>"},
        {"MESSAGE-ID:<a@b>\nMessage-ID: <c@d>\n\n", "<a@b>"},
        {"Message-Id:\n <a@b> \r\n\n", "<a@b>"},
        {"Message-ID: <a@b>\n (x)\n\n", ""},
        {"Message-ID: <a\x7f@b>\n\n", ""},
        {"Message-ID: <>\n\n", ""},
        {"Message-ID: <@>\n\n", "<@>"},
        {"Message-ID: <ab>\nMessage-ID: <c@d>\n\n", "<c@d>"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(look(cases[i].text, strlen(cases[i].text)).message_id,
                            cases[i].expected);
}

static void the_longest_message_id(void **state)
{
    (void)state;
    for (size_t length = BOUNCE_MESSAGE_ID_MAX; length <= BOUNCE_MESSAGE_ID_MAX + 1; length++) {
        char text[BOUNCE_MESSAGE_ID_MAX + 32] = "Message-ID: <@";
        size_t const start = strlen("Message-ID: ");
        memset(text + start + 2, 'x', length - 3);
        strcpy(text + start + length - 1, ">\n\n");
        struct bounce_header const header = look(text, strlen(text));
        assert_int_equal(strlen(header.message_id), length > BOUNCE_MESSAGE_ID_MAX ? 0 : length);
    }
}

static void the_end_is_the_first_empty_line(void **state)
{
    (void)state;
    static struct {
        char const *text;
        size_t length;
        bool ended;
    } const cases[] = {
        {"A: b\n\nbody\n\n", 5, true},
        {"A: b\n c\n \n\n", 10, true},
        {"\nbody", 0, true},
        {"A: b\r\n\r\nbody", 6, true},
        {"A: b\n", 5, false},
        {"A: b", 4, false},
        {"", 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bounce_header const header = look(cases[i].text, strlen(cases[i].text));
        assert_int_equal(header.length, cases[i].length);
        assert_int_equal(header.ended, cases[i].ended);
    }
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(fields_are_found),
        cmocka_unit_test(the_first_sane_message_id_is_kept),
        cmocka_unit_test(the_longest_message_id),
        cmocka_unit_test(the_end_is_the_first_empty_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
