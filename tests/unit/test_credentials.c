#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/credentials.h"

static struct credentials credentials;

/* Reads LENGTH bytes through a pipe, then its end. */
static enum credentials_result read_bytes(char const *bytes, size_t length)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], bytes, length), length);
    close(ends[1]);
    enum credentials_result const result = credentials_read(&credentials, ends[0], 60000);
    close(ends[0]);
    return result;
}

#define READ(text) read_bytes(text, sizeof text - 1)

static void test_form(void **state)
{
    (void)state;
    assert_int_equal(READ("alice\0secret\0001234\0"), CREDENTIALS_OK);
    assert_int_equal(credentials_parse(&credentials), CREDENTIALS_OK);
    assert_string_equal(credentials.name, "alice");
    assert_string_equal(credentials.password, "secret");
    assert_int_equal(READ("\0\0\0"), CREDENTIALS_OK);
    assert_int_equal(credentials_parse(&credentials), CREDENTIALS_OK);
    assert_string_equal(credentials.name, "");
    assert_int_equal(READ("a\0b\0c\0more\0and more"), CREDENTIALS_OK);
    assert_int_equal(credentials_parse(&credentials), CREDENTIALS_OK);
    assert_string_equal(credentials.password, "b");
    credentials_wipe(&credentials);
    for (size_t i = 0; i < sizeof credentials.bytes; i++)
        assert_int_equal(credentials.bytes[i], 0);
}

static void test_malformed(void **state)
{
    (void)state;
    static struct {
        char const *bytes;
        size_t length;
    } const cases[] = {{"", 0},         {"alice", 5},      {"alice\0", 6},
                       {"alice\0x", 7}, {"alice\0x\0", 8}, {"alice\0x\0stamp", 13}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(read_bytes(cases[i].bytes, cases[i].length), CREDENTIALS_OK);
        assert_int_equal(credentials_parse(&credentials), CREDENTIALS_MALFORMED);
    }
}

/* 512 bytes are taken, 513 are not: and nothing of them is ever looked at. */
static void test_length(void **state)
{
    char bytes[CREDENTIALS_MAX + 100];
    (void)state;
    memset(bytes, 'x', sizeof bytes);
    bytes[5] = bytes[CREDENTIALS_MAX - 2] = bytes[CREDENTIALS_MAX - 1] = 0;
    assert_int_equal(read_bytes(bytes, CREDENTIALS_MAX), CREDENTIALS_OK);
    assert_int_equal(credentials_parse(&credentials), CREDENTIALS_OK);
    assert_int_equal(strlen(credentials.password), CREDENTIALS_MAX - 8);
    assert_int_equal(read_bytes(bytes, CREDENTIALS_MAX + 1), CREDENTIALS_LONG);
    assert_int_equal(read_bytes(bytes, sizeof bytes), CREDENTIALS_LONG);
}

static void test_budget(void **state)
{
    (void)state;
    assert_int_equal(READ("alice\0001000\0"), CREDENTIALS_OK);
    assert_int_equal(credentials_parse_budget(&credentials), CREDENTIALS_OK);
    assert_string_equal(credentials.name, "alice");
    assert_int_equal(credentials.recipients, 1000);
    static struct {
        char const *bytes;
        size_t length;
    } const cases[] = {{"", 0},
                       {"alice\0", 6},
                       {"alice\0\0", 7},
                       {"alice\0001", 7},
                       {"alice\0-1\0", 9},
                       {"alice\0001000001\0", 14},
                       {"a\0001\0\0", 5},
                       {"a\00018446744073709551617\0", 23}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(read_bytes(cases[i].bytes, cases[i].length), CREDENTIALS_OK);
        assert_int_equal(credentials_parse_budget(&credentials), CREDENTIALS_MALFORMED);
    }
}

static void test_deadline(void **state)
{
    int ends[2];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "alice", 5), 5);
    assert_int_equal(credentials_read(&credentials, ends[0], 20), CREDENTIALS_FAILED);
    assert_int_equal(errno, ETIMEDOUT);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(credentials_read(&credentials, ends[0], 20), CREDENTIALS_FAILED);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(test_form),     cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_length),   cmocka_unit_test(test_budget),
        cmocka_unit_test(test_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
