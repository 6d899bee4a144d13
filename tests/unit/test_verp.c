/* queue/verp.h: the sender of each recipient, by qmail's form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "queue/verp.h"

static void test_sender(void **state)
{
    static struct {
        char const *sender, *recipient, *expected;
    } const cases[] = {
        {"l-owner-@h.test-@[]", "joe@far.test", "l-owner-joe=far.test@h.test"},
        {"l@x-owner-@h.test-@[]", "joe@far.test", "l@x-owner-joe=far.test@h.test"},
        {"l-owner-@h.test-@[]", "a@b@far.test", "l-owner-a@b=far.test@h.test"},
        {"l-owner-@h.test-@[]", "joe", "l-owner-@h.test"},
        {"@-@[]", "joe@far.test", "joe=far.test@"},
        {"l-owner@h.test", "joe@far.test", "l-owner@h.test"},
        {"l-owner-@[]", "joe@far.test", "l-owner-@[]"},
        {"-@[]", "joe@far.test", "-@[]"},
        {"#@[]", "joe@far.test", "#@[]"},
        {"", "joe@far.test", ""},
    };
    char out[VERP_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(verp_sender(out, cases[i].sender, cases[i].recipient),
                            cases[i].expected);
}

static void test_owner(void **state)
{
    char out[VERP_SIZE];
    (void)state;
    assert_string_equal(verp_owner(out, "l-owner-@h.test-@[]"), "l-owner-@h.test");
    assert_string_equal(verp_owner(out, "l-owner-@h.test"), "l-owner-@h.test");
    assert_string_equal(verp_owner(out, "l-owner-@[]"), "l-owner-@[]");
    assert_true(verp_is("l-owner-@h.test-@[]"));
    assert_false(verp_is("l-owner-@[]"));
    assert_false(verp_is(""));
}

/* What does not fit goes out from the list's owner, whole. */
static void test_long(void **state)
{
    static char const sender[] = "l-@h-@[]";
    size_t const fits = ENVELOPE_ADDRESS_MAX - strlen("l-@h");
    char out[VERP_SIZE], recipient[ENVELOPE_ADDRESS_MAX + 1], huge[ENVELOPE_ADDRESS_MAX + 2];
    (void)state;
    memset(recipient, 'x', sizeof recipient);
    memcpy(recipient, "joe@", 4);
    recipient[fits] = 0;
    assert_int_equal(strlen(verp_sender(out, sender, recipient)), ENVELOPE_ADDRESS_MAX);
    recipient[fits] = 'x';
    recipient[fits + 1] = 0;
    assert_string_equal(verp_sender(out, sender, recipient), "l-@h");
    memset(huge, 'x', sizeof huge);
    memcpy(huge + sizeof huge - sizeof sender, sender, sizeof sender);
    assert_ptr_equal(verp_sender(out, huge, "joe@far.test"), huge);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(test_sender),
        cmocka_unit_test(test_owner),
        cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
