/* The name in what follows a session's id in a ClientHello. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tls/hello_name.h"

#define SUITES           "\0\2\xc0\x2b"
#define NULL_COMPRESSION "\1\0"
#define HEAD             SUITES NULL_COMPRESSION
#define NAME             "\0\0\0\6\0\4\0\0\1a"
#define OTHER            "\0\x23\0\0"
#define SMTP             "\0\20\0\7\0\5\4smtp"
#define HTTP             "\0\20\0\5\0\3\2h2"

struct sample {
    char const *bytes;
    size_t length;
    char const *name; /* 0: it is refused */
};
#define SAMPLE(text, name)                                                                         \
    {                                                                                              \
        text, sizeof text - 1, name                                                                \
    }

static void test_samples(void **state)
{
    static struct sample const samples[] = {
        SAMPLE(HEAD, ""),
        SAMPLE(HEAD "\0\0", ""),
        SAMPLE(HEAD "\0\4" OTHER, ""),
        SAMPLE(HEAD "\0\12" NAME, "a"),
        SAMPLE(HEAD "\0\16" OTHER NAME, "a"),
        SAMPLE(HEAD "\0\16" NAME OTHER, "a"),
        SAMPLE(HEAD "\0\24" NAME NAME, NULL),                   /* twice */
        SAMPLE(HEAD "\0\16\0\0\0\12\0\10\0\0\1a\0\0\1b", NULL), /* two in one */
        SAMPLE(HEAD "\0\12\0\0\0\6\0\4\1\0\1a", NULL),          /* of no host */
        SAMPLE(HEAD "\0\12\0\0\0\6\0\4\0\0\1\0", NULL),         /* NUL */
        SAMPLE(HEAD "\0\11\0\0\0\5\0\3\0\0\0", NULL),           /* empty */
        SAMPLE(HEAD "\0\6\0\0\0\2\0\0", NULL),                  /* none at all */
        SAMPLE(HEAD "\0\4\0\0\0\0", NULL),
        SAMPLE(HEAD "\0\12" NAME "x", NULL), /* more than its length says */
        SAMPLE(HEAD "\0\13" SMTP, ""),
        SAMPLE(HEAD "\0\25" NAME SMTP, "a"),
        SAMPLE(HEAD "\0\16\0\20\0\12\0\10\2h2\4smtp", ""),
        SAMPLE(HEAD "\0\11" HTTP, NULL),
        SAMPLE(HEAD "\0\23" NAME HTTP, NULL),
        SAMPLE(HEAD "\0\24" SMTP HTTP, NULL),
        SAMPLE(HEAD "\0\24" HTTP SMTP, NULL),
        SAMPLE(HEAD "\0\14\0\20\0\10\0\6\5smtps", NULL),
        SAMPLE(HEAD "\0\12\0\20\0\6\0\4\4smt", NULL), /* longer than its list */
        SAMPLE(HEAD "\0\6\0\20\0\2\0\0", NULL),       /* none at all */
        SAMPLE(HEAD "\0\4\0\20\0\0", NULL),
        SAMPLE(HEAD "\0", NULL),
        SAMPLE(SUITES, NULL),
        SAMPLE(SUITES "\2\0", NULL),
        SAMPLE("\0\4\xc0\x2b", NULL),
        SAMPLE("", NULL),
    };
    char name[KEY_NAME_MAX + 1];
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct sample const *const sample = samples + i;
        bool const found = hello_name((unsigned char const *)sample->bytes, sample->length, name);
        assert_int_equal(found, sample->name != NULL);
        if (found)
            assert_string_equal(name, sample->name);
    }
}

static void test_no_part_of_it_has_a_name(void **state)
{
    static char const whole[] = HEAD "\0\16" OTHER NAME;
    char name[KEY_NAME_MAX + 1];
    (void)state;
    for (size_t length = 0; length + 1 < sizeof whole; length++)
        assert_true(!hello_name((unsigned char const *)whole, length, name) || !name[0]);
}

static void test_length_of_a_name(void **state)
{
    (void)state;
    for (size_t length = 250; length < 260; length++) {
        unsigned char bytes[400] = {0, 0, 1, 0};
        char name[KEY_NAME_MAX + 1];
        size_t const sizes[] = {length + 9, 0, length + 5, length + 3};
        size_t used = 4;
        for (size_t i = 0; i < 4; i++) {
            bytes[used++] = (unsigned char)(sizes[i] >> 8);
            bytes[used++] = (unsigned char)sizes[i];
        }
        bytes[used++] = 0;
        bytes[used++] = (unsigned char)(length >> 8);
        bytes[used++] = (unsigned char)length;
        memset(bytes + used, 'a', length);
        assert_int_equal(hello_name(bytes, used + length, name), length <= KEY_NAME_MAX);
    }
}

int main(void)
{
    static struct CMUnitTest const tests[] = {
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_no_part_of_it_has_a_name),
        cmocka_unit_test(test_length_of_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
