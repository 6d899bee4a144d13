#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "smtpd/sasl.h"

static void test_parse(void **state)
{
    static struct {
        char const *argument;
        enum sasl_result result;
        enum sasl_mechanism mechanism;
        char const *initial;
    } const rows[] = {
        {"PLAIN", SASL_OK, SASL_PLAIN, 0},
        {"plain abc", SASL_OK, SASL_PLAIN, "abc"},
        {"Login  =", SASL_OK, SASL_LOGIN, "="},
        {"PLAIN a b", SASL_OK, SASL_PLAIN, "a b"},
        {"", SASL_NO_MECHANISM, 0, 0},
        {"PLAI", SASL_UNKNOWN, 0, 0},
        {"PLAINX abc", SASL_UNKNOWN, 0, 0},
        {"CRAM-MD5", SASL_UNKNOWN, 0, 0},
        {"=", SASL_UNKNOWN, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum sasl_mechanism mechanism = SASL_PLAIN;
        char const *initial;
        size_t length;
        enum sasl_result const result =
            sasl_parse(&mechanism, &initial, &length, rows[i].argument, strlen(rows[i].argument));
        if (result != rows[i].result)
            fail_msg("%s: %d", rows[i].argument, result);
        if (result != SASL_OK)
            continue;
        assert_int_equal(mechanism, rows[i].mechanism);
        assert_int_equal(initial != 0, rows[i].initial != 0);
        if (initial)
            assert_memory_equal(initial, rows[i].initial, strlen(rows[i].initial) + 1);
    }
}

static void set(struct sasl_bytes *decoded, char const *bytes, size_t length)
{
    memcpy(decoded->bytes, bytes, length);
    decoded->length = length;
}

#define BYTES(text) text, sizeof(text) - 1

static void test_decode(void **state)
{
    static char line[SASL_LINE_MAX];
    struct sasl_bytes decoded = {.length = 0};
    (void)state;
    assert_int_equal(sasl_decode(&decoded, BYTES("*"), false), SASL_CANCELLED);
    assert_int_equal(sasl_decode(&decoded, BYTES("*"), true), SASL_CANCELLED);
    assert_int_equal(sasl_decode(&decoded, BYTES("="), true), SASL_OK);
    assert_int_equal(decoded.length, 0);
    assert_int_equal(sasl_decode(&decoded, BYTES("="), false), SASL_MALFORMED);
    assert_int_equal(sasl_decode(&decoded, BYTES(""), false), SASL_OK);
    assert_int_equal(sasl_decode(&decoded, BYTES("QUI="), false), SASL_OK);
    assert_memory_equal(decoded.bytes, "AB", 2);
    assert_int_equal(sasl_decode(&decoded, BYTES("QUI"), false), SASL_MALFORMED);
    memset(line, 'A', sizeof line);
    assert_int_equal(sasl_decode(&decoded, line, sizeof line, false), SASL_OK);
    assert_int_equal(decoded.length, SASL_BYTES_MAX);
    assert_int_equal(decoded.touched, SASL_BYTES_MAX);
    assert_int_equal(sasl_decode(&decoded, BYTES("QUJD!"), false), SASL_MALFORMED);
    sasl_wipe(&decoded);
    for (size_t i = 0; i < sizeof decoded.bytes; i++)
        assert_int_equal(decoded.bytes[i], 0);
}

static void check(struct sasl_secret const *secret, char const *expected, size_t length)
{
    assert_int_equal(secret->hopeless, expected == 0);
    if (!expected)
        return;
    assert_int_equal(secret->length, length);
    assert_memory_equal(secret->bytes, expected, length);
}

static void test_plain(void **state)
{
    static struct {
        char const *bytes;
        size_t length;
        enum sasl_result result;
        char const *expected;
        size_t expected_length;
    } const rows[] = {
        {BYTES("\0Alice\0Pass"), SASL_OK, BYTES("alice\0Pass\0\0")},
        {BYTES("ALICE\0alice\0p"), SASL_OK, BYTES("alice\0p\0\0")},
        {BYTES("bob\0alice\0p"), SASL_OK, 0, 0},
        {BYTES("alic\0alice\0p"), SASL_OK, 0, 0},
        {BYTES("\0\0p"), SASL_OK, 0, 0},
        {BYTES("\0alice\0"), SASL_OK, 0, 0},
        {BYTES("\0a:b\0p"), SASL_OK, 0, 0},
        {BYTES(""), SASL_MALFORMED, 0, 0},
        {BYTES("alice"), SASL_MALFORMED, 0, 0},
        {BYTES("\0alice"), SASL_MALFORMED, 0, 0},
        {BYTES("\0alice\0p\0"), SASL_MALFORMED, 0, 0},
        {BYTES("\0\0\0"), SASL_MALFORMED, 0, 0},
    };
    struct sasl_bytes decoded = {.length = 0};
    struct sasl_secret secret;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        set(&decoded, rows[i].bytes, rows[i].length);
        assert_int_equal(sasl_take_plain(&secret, &decoded), rows[i].result);
        if (rows[i].result == SASL_OK)
            check(&secret, rows[i].expected, rows[i].expected_length);
    }
}

/* What checkpassword reads is never longer than it reads, and never cut. */
static void test_lengths(void **state)
{
    struct sasl_bytes decoded = {.length = 0};
    struct sasl_secret secret;
    (void)state;
    for (size_t user = 1; user < 300; user += 7)
        for (size_t password = 1; password < 600; password++) {
            memset(decoded.bytes, 'x', sizeof decoded.bytes);
            decoded.length = user;
            assert_int_equal(sasl_take_user(&secret, &decoded), SASL_OK);
            decoded.length = password;
            assert_int_equal(sasl_take_password(&secret, &decoded), SASL_OK);
            bool const fits = user <= SASL_USER_MAX && user + password + 3 <= SASL_SECRET_MAX;
            assert_int_equal(secret.hopeless, !fits);
            if (fits)
                assert_int_equal(secret.length, user + password + 3);
        }
}

static void test_login(void **state)
{
    struct sasl_bytes decoded = {.length = 0};
    struct sasl_secret secret;
    (void)state;
    set(&decoded, BYTES("Bob"));
    assert_int_equal(sasl_take_user(&secret, &decoded), SASL_OK);
    set(&decoded, BYTES("Word"));
    assert_int_equal(sasl_take_password(&secret, &decoded), SASL_OK);
    check(&secret, BYTES("bob\0Word\0\0"));
    set(&decoded, BYTES("a\0b"));
    assert_int_equal(sasl_take_user(&secret, &decoded), SASL_MALFORMED);
    assert_int_equal(sasl_take_password(&secret, &decoded), SASL_MALFORMED);
    set(&decoded, BYTES(""));
    assert_int_equal(sasl_take_user(&secret, &decoded), SASL_OK);
    set(&decoded, BYTES("x"));
    assert_int_equal(sasl_take_password(&secret, &decoded), SASL_OK);
    assert_true(secret.hopeless);
}

int main(void)
{
    struct CMUnitTest const tests[] = {cmocka_unit_test(test_parse), cmocka_unit_test(test_decode),
                                       cmocka_unit_test(test_plain), cmocka_unit_test(test_lengths),
                                       cmocka_unit_test(test_login)};
    return cmocka_run_group_tests_name("sasl", tests, 0, 0);
}
