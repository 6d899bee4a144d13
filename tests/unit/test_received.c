#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/date.h"
#include "smtpd/received.h"

static void test_dates(void **state)
{
    char date[DATE_SIZE], expected[DATE_SIZE];
    (void)state;
    assert_int_equal(date_format(date, 1795324098), 31);
    assert_string_equal(date, "Sun, 22 Nov 2026 05:08:18 +0000");
    (void)date_format(date, 0);
    assert_string_equal(date, "Thu, 1 Jan 1970 00:00:00 +0000");
    (void)date_format(date, 951782400);
    assert_string_equal(date, "Tue, 29 Feb 2000 00:00:00 +0000");
    (void)date_format(date, 253402300799);
    assert_string_equal(date, "Fri, 31 Dec 9999 23:59:59 +0000");
    (void)date_format(date, -1);
    assert_string_equal(date, "Thu, 1 Jan 1970 00:00:00 +0000");
    /* Each day of 200 years, at a second that differs, as the C library has it. */
    for (time_t when = 0; when < (time_t)200 * 366 * 86400; when += 86400 + 61) {
        struct tm parts;
        gmtime_r(&when, &parts);
        strftime(expected, sizeof expected, "%a, %e %b %Y %H:%M:%S +0000", &parts);
        char *blank = strstr(expected, "  ");
        if (blank)
            memmove(blank, blank + 1, strlen(blank));
        (void)date_format(date, when);
        assert_string_equal(date, expected);
    }
}

static char const *format(struct received const *received)
{
    static char text[4096];
    stralloc out = STRALLOC_ZERO;
    assert_true(received_format(&out, received));
    assert_true(out.len < sizeof text);
    memcpy(text, out.s, out.len);
    text[out.len] = 0;
    stralloc_free(&out);
    return text;
}

static ip46 const remote4 = {.ip = "\300\0\2\1", .is6 = 0};
static ip46 const remote6 = {.ip = "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", .is6 = 1};

static void test_fields(void **state)
{
    struct received received = {.helo = "client.test",
                                .helo_length = 11,
                                .remote = &remote4,
                                .me = "mx.test",
                                .id = "id1",
                                .extended = true,
                                .recipient = "a b@x.test",
                                .recipient_length = 10,
                                .when = 0};
    (void)state;
    assert_string_equal(format(&received),
                        "Received: from client.test ([192.0.2.1])\n by mx.test with ESMTP id id1\n"
                        " for <\"a b\"@x.test>;\n Thu, 1 Jan 1970 00:00:00 +0000\n");
    received.remote = &remote6;
    received.smtputf8 = true;
    received.id = "";
    received.recipient = 0;
    assert_string_equal(
        format(&received),
        "Received: from client.test ([IPv6:2001:db8::1])\n by mx.test with UTF8SMTP;\n"
        " Thu, 1 Jan 1970 00:00:00 +0000\n");
    received.remote = 0;
    received.smtputf8 = received.extended = false;
    assert_string_equal(format(&received), "Received: from client.test\n by mx.test with SMTP;\n"
                                           " Thu, 1 Jan 1970 00:00:00 +0000\n");
}

/* The whole of RFC 3848 and RFC 6531 4.3. */
static void test_protocols(void **state)
{
    static struct {
        bool extended, smtputf8, encrypted, authenticated;
        char const *expected;
    } const rows[] = {
        {false, false, false, false, "SMTP id i"},
        {false, false, true, false, "SMTP\n (TLSv1.2 A-B_c) id i"},
        {true, false, false, false, "ESMTP id i"},
        {true, false, true, false, "ESMTPS\n (TLSv1.2 A-B_c) id i"},
        {true, false, false, true, "ESMTPA id i"},
        {true, false, true, true, "ESMTPSA\n (TLSv1.2 A-B_c) id i"},
        {true, true, false, false, "UTF8SMTP id i"},
        {true, true, true, false, "UTF8SMTPS\n (TLSv1.2 A-B_c) id i"},
        {true, true, false, true, "UTF8SMTPA id i"},
        {true, true, true, true, "UTF8SMTPSA\n (TLSv1.2 A-B_c) id i"},
    };
    char expected[256];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct received const received = {.helo = "x",
                                          .helo_length = 1,
                                          .me = "mx.test",
                                          .id = "i",
                                          .extended = rows[i].extended,
                                          .smtputf8 = rows[i].smtputf8,
                                          .encrypted = rows[i].encrypted,
                                          .authenticated = rows[i].authenticated,
                                          .tls_version = rows[i].encrypted ? "TLSv1.2" : "",
                                          .tls_suite = rows[i].encrypted ? "A-B_c" : ""};
        snprintf(expected, sizeof expected,
                 "Received: from x\n by mx.test with %s;\n Thu, 1 Jan 1970 00:00:00 +0000\n",
                 rows[i].expected);
        assert_string_equal(format(&received), expected);
    }
}

/* Another engine's words (UCSPI-TLS): perhaps missing, never trusted. */
static void test_strange_tls(void **state)
{
    struct received received = {.helo = "x",
                                .helo_length = 1,
                                .me = "mx.test",
                                .id = "",
                                .extended = true,
                                .encrypted = true,
                                .tls_version = "v)\n (",
                                .tls_suite = "\\\"a\x80"};
    (void)state;
    assert_string_equal(format(&received),
                        "Received: from x\n by mx.test with ESMTPS\n (v???? ??a?);\n"
                        " Thu, 1 Jan 1970 00:00:00 +0000\n");
    received.tls_suite = "";
    received.tls_version = "TLSv1.3";
    assert_string_equal(format(&received),
                        "Received: from x\n by mx.test with ESMTPS\n (TLSv1.3);\n"
                        " Thu, 1 Jan 1970 00:00:00 +0000\n");
    received.tls_version = "";
    assert_string_equal(format(&received), "Received: from x\n by mx.test with ESMTPS;\n"
                                           " Thu, 1 Jan 1970 00:00:00 +0000\n");
}

static void test_a_strange_name(void **state)
{
    char name[257];
    struct received received = {.helo = name, .me = "mx.test", .id = "", .when = 0};
    (void)state;
    for (size_t i = 0; i < 256; i++)
        name[i] = (char)i;
    for (received.helo_length = 0; received.helo_length <= 256; received.helo_length++) {
        char const *text = format(&received);
        assert_memory_equal(text, "Received: from ", 15);
        size_t shown = strcspn(text + 15, "\n ();\\\"");
        size_t expected = received.helo_length < 255 ? received.helo_length : 255;
        assert_int_equal(shown, expected ? expected : strlen("unknown"));
        assert_memory_equal(text + 15 + shown, "\n by mx.test", 12);
        for (char const *here = text; *here; here++)
            assert_true(*here == '\n' || (*here >= 0x20 && *here < 0x7f));
    }
}

int main(void)
{
    struct CMUnitTest const tests[] = {cmocka_unit_test(test_dates), cmocka_unit_test(test_fields),
                                       cmocka_unit_test(test_protocols),
                                       cmocka_unit_test(test_strange_tls),
                                       cmocka_unit_test(test_a_strange_name)};
    return cmocka_run_group_tests_name("received", tests, 0, 0);
}
