/* deliver/remote_reply.h and remote_extensions.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "deliver/remote_extensions.h"
#include "deliver/remote_reply.h"

/* Feeds BYTES in pieces of PIECE until the reply is done or bad, or all is taken. */
static enum remote_reply_state feed(struct remote_reply *reply, char const *bytes, size_t length,
                                    size_t piece, size_t *taken)
{
    *taken = 0;
    remote_reply_start(reply);
    while (*taken < length) {
        size_t used, now = length - *taken < piece ? length - *taken : piece;
        char *const copy = malloc(now); /* exactly as long, for the sanitizer */
        assert_non_null(copy);
        memcpy(copy, bytes + *taken, now);
        enum remote_reply_state const got = remote_reply_take(reply, copy, now, &used);
        free(copy);
        assert_true(used <= now && used > 0);
        *taken += used;
        if (got == REMOTE_REPLY_DONE || got == REMOTE_REPLY_BAD)
            return got;
    }
    return REMOTE_REPLY_MORE;
}

static void good_replies(void **state)
{
    (void)state;
    static struct {
        char const *wire;
        unsigned int code;
        char const *enhanced, *text;
    } const cases[] = {
        {"250 ok\r\n", 250, "", "ok"},
        {"250 ok\n", 250, "", "ok"},
        {"250\r\n", 250, "", ""},
        {"250\n", 250, "", ""},
        {"250 \r\n", 250, "", ""},
        {"250\tok\r\n", 250, "", "ok"},
        {"200 a\r\n", 200, "", "a"},
        {"599 a\r\n", 599, "", "a"},
        {"250-a\r\n250-b\r\n250 c\r\n", 250, "", "a b c"},
        {"250-a\r\n250-\r\n250\r\n", 250, "", "a"},
        {"250-\r\n250-\r\n250 c\r\n", 250, "", "c"},
        {"550 5.1.1 no such user\r\n", 550, "5.1.1", "5.1.1 no such user"},
        {"550 5.1.1\r\n", 550, "5.1.1", "5.1.1"},
        {"550-5.1.1 no\r\n550-5.1.1 such\r\n550 5.1.1 user\r\n", 550, "5.1.1",
         "5.1.1 no such user"},
        {"550-5.1.1 no\r\n550 5.1.2 such\r\n", 550, "5.1.1", "5.1.1 no 5.1.2 such"},
        {"550-no\r\n550 5.1.2 such\r\n", 550, "", "no 5.1.2 such"},
        {"550-5.1.1 no\r\n550 5.1.1\r\n", 550, "5.1.1", "5.1.1 no"},
        {"550 5.123.456 a\r\n", 550, "5.123.456", "5.123.456 a"},
        {"550 5.1234.4 a\r\n", 550, "", "5.1234.4 a"},
        {"550 5.1.4567 a\r\n", 550, "", "5.1.4567 a"},
        {"550 5.1.1, a\r\n", 550, "", "5.1.1, a"},
        {"550 4.1.1 a\r\n", 550, "", "4.1.1 a"},
        {"550 5.1 a\r\n", 550, "", "5.1 a"},
        {"550 5.1.\r\n", 550, "", "5.1."},
        {"550 5..1 a\r\n", 550, "", "5..1 a"},
        {"550 5.\r\n", 550, "", "5."},
        {"550 5\r\n", 550, "", "5"},
        {"250 a\x1b[2J\x07\x9b\xc3\xa4 b\r\n", 250, "", "a?[2J???? b"},
        {"250 a\rb\r\r\n", 250, "", "a?b?"},
        {"250-STARTTLS\r\n250 DSN\r\n", 250, "", "STARTTLS DSN"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t piece = 1; piece < 100; piece += 3) {
            struct remote_reply reply;
            size_t taken;
            char wire[200];
            int const length = snprintf(wire, sizeof wire, "%s220 next\r\n", cases[i].wire);
            assert_int_equal(feed(&reply, wire, (size_t)length, piece, &taken), REMOTE_REPLY_DONE);
            assert_int_equal(taken, strlen(cases[i].wire));
            assert_int_equal(reply.code, cases[i].code);
            assert_string_equal(reply.enhanced, cases[i].enhanced);
            assert_string_equal(reply.text, cases[i].text);
        }
}

static void bad_replies(void **state)
{
    (void)state;
    static char const *const cases[] = {
        "25\r\n",
        "2500\r\n",
        "2500 ok\r\n",
        "000\r\n",
        "999 a\r\n",
        "-1\r\n",
        "250x\r\n",
        "250_ok\r\n",
        "150 a\r\n",
        "650 a\r\n",
        "\r\n",
        "\n",
        " 250 a\r\n",
        "2 50\r\n",
        "25 0\r\n",
        "250\ra\r\n",
        "250\r\r\n",
        "250-a\r\n550 b\r\n",
        "hello\r\n",
        "250-a\r\n\r\n",
        "250-a\r\nb",
        "250-a\r\n2500\n",
        "\xb2\xb5\xb0 a\r\n",
        "250\xa0\r\n",
        "HTTP/1.1 400\r\n",
        "25\t0 a\r\n",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t piece = 1; piece < 20; piece++) {
            struct remote_reply reply;
            size_t taken;
            enum remote_reply_state const got =
                feed(&reply, cases[i], strlen(cases[i]), piece, &taken);
            if (got != REMOTE_REPLY_BAD)
                fail_msg("`%s` is taken for a reply", cases[i]);
        }
    struct remote_reply reply;
    size_t taken;
    static char const nul[] = "25\0 a\r\n", late_nul[] = "250 a\0b\r\n";
    assert_int_equal(feed(&reply, nul, sizeof nul - 1, 9, &taken), REMOTE_REPLY_BAD);
    assert_int_equal(feed(&reply, late_nul, sizeof late_nul - 1, 9, &taken), REMOTE_REPLY_DONE);
    assert_string_equal(reply.text, "a?b");
    assert_int_equal(feed(&reply, "250-a\r\n250", 10, 99, &taken), REMOTE_REPLY_MORE);
    assert_int_equal(feed(&reply, "HTTP/1.1 400 Bad\r\nx", 19, 99, &taken), REMOTE_REPLY_BAD);
    assert_string_equal(reply.line, "HTTP/1.1 400 Bad");
}

static void bounds(void **state)
{
    (void)state;
    size_t const room = 70000; /* beyond REMOTE_REPLY_OCTETS_MAX, in whole lines of 1000 */
    char *const wire = malloc(room);
    struct remote_reply reply;
    size_t taken;
    assert_non_null(wire);
    /* the longest line, and one more octet */
    for (size_t length = REMOTE_REPLY_LINE_MAX; length <= REMOTE_REPLY_LINE_MAX + 1; length++) {
        memset(wire, 'x', length);
        memcpy(wire, "550 ", 4);
        memcpy(wire + length - 2, "\r\n", 2);
        assert_int_equal(feed(&reply, wire, length, 777, &taken),
                         length <= REMOTE_REPLY_LINE_MAX ? REMOTE_REPLY_DONE : REMOTE_REPLY_BAD);
        assert_true(strlen(reply.line) == REMOTE_REPLY_KEPT_MAX);
        if (length <= REMOTE_REPLY_LINE_MAX)
            assert_int_equal(strlen(reply.text), JOB_TEXT_MAX);
    }
    /* the most lines, and one more; too many octets in few enough lines */
    for (unsigned int lines = REMOTE_REPLY_LINES_MAX; lines <= REMOTE_REPLY_LINES_MAX + 1;
         lines++) {
        size_t length = 0;
        for (unsigned int i = 1; i < lines; i++, length += 7)
            memcpy(wire + length, "250-a\r\n", 7);
        memcpy(wire + length, "250 a\r\n", 7);
        assert_int_equal(feed(&reply, wire, length + 7, 777, &taken),
                         lines <= REMOTE_REPLY_LINES_MAX ? REMOTE_REPLY_DONE : REMOTE_REPLY_BAD);
    }
    for (size_t i = 0; i < room; i += 1000) {
        memset(wire + i, 'x', 1000);
        memcpy(wire + i, "250-", 4);
        wire[i + 999] = '\n';
    }
    assert_int_equal(feed(&reply, wire, room, 777, &taken), REMOTE_REPLY_BAD);
    assert_int_equal(reply.octets, REMOTE_REPLY_OCTETS_MAX + 1);
    free(wire);
}

static void several_replies_in_one_piece(void **state)
{
    (void)state;
    char const *wire = "220 a\r\n250-b\r\n250 c\r\n550 d\r\n";
    struct remote_reply reply;
    size_t used;
    remote_reply_start(&reply);
    assert_int_equal(remote_reply_take(&reply, wire, strlen(wire), &used), REMOTE_REPLY_DONE);
    assert_string_equal(remote_reply_line_text(&reply), "a");
    wire += used;
    remote_reply_start(&reply);
    assert_int_equal(remote_reply_take(&reply, wire, strlen(wire), &used), REMOTE_REPLY_LINE);
    assert_string_equal(remote_reply_line_text(&reply), "b");
    wire += used;
    assert_int_equal(remote_reply_take(&reply, wire, strlen(wire), &used), REMOTE_REPLY_DONE);
    assert_string_equal(remote_reply_line_text(&reply), "c");
    wire += used;
    remote_reply_start(&reply);
    assert_int_equal(remote_reply_take(&reply, wire, strlen(wire), &used), REMOTE_REPLY_DONE);
    assert_int_equal(reply.code, 550);
    assert_string_equal(reply.text, "d");
}

static void extensions(void **state)
{
    (void)state;
    struct remote_extensions is;
    remote_extensions_clear(&is);
    static char const *const nothing[] = {"",          "X-SIZE 5",  "SIZES 5", "8BITMIM",
                                          "8BITMIMEX", "=8BITMIME", " SIZE 5", "SIZE=5",
                                          "PIPELININ", "?SMTPUTF8"};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
        remote_extensions_add(&is, nothing[i]);
    assert_false(is.size || is.pipelining || is.eight_bit_mime || is.smtputf8);
    remote_extensions_add(&is, "pipelining");
    remote_extensions_add(&is, "8BitMime ");
    remote_extensions_add(&is, "SMTPUTF8 what ever");
    assert_true(is.pipelining && is.eight_bit_mime && is.smtputf8 && !is.size);
    static struct {
        char const *line;
        uint64_t limit;
    } const sizes[] = {
        {"SIZE 1000", 1000},
        {"SIZE  1000 x", 1000},
        {"SIZE", 0},
        {"SIZE 0", 0},
        {"SIZE -1", 0},
        {"SIZE 12x", 0},
        {"SIZE x", 0},
        {"SIZE 18446744073709551616", 0},
        {"SIZE 18446744073709551615", UINT64_MAX},
        {"SIZE 99999999999999999999999999999999999", 0},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        remote_extensions_add(&is, sizes[i].line);
        assert_true(is.size);
        assert_true(is.size_max == sizes[i].limit);
    }
    remote_extensions_clear(&is);
    assert_false(is.size || is.pipelining || is.eight_bit_mime || is.smtputf8);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(good_replies), cmocka_unit_test(bad_replies),
        cmocka_unit_test(bounds),       cmocka_unit_test(several_replies_in_one_piece),
        cmocka_unit_test(extensions),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
