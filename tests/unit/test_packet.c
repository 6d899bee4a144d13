/* lib/packet.h: a send that has to wait until others have read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "lib/packet.h"

/* Fails with errors[0], errors[1], ..., and with 0 it is sent. */
struct line {
    int const *errors;
    unsigned int sends, pauses, pauses_max;
};

static bool send_one(void *context)
{
    struct line *const line = context;
    errno = line->errors[line->sends++];
    return !errno;
}

static bool pause_some(void *context, int milliseconds)
{
    struct line *const line = context;
    assert_true(milliseconds > 0);
    errno = EINTR;
    return ++line->pauses <= line->pauses_max;
}

static bool insist(struct line *line, int64_t milliseconds)
{
    return packet_insist(&(struct packet_attempt){send_one, pause_some, line}, milliseconds);
}

static void what_passes_is_waited_for(void **state)
{
    (void)state;
    static int const errors[] = {ETOOMANYREFS, ENOBUFS, ENOMEM, ETOOMANYREFS, 0};
    struct line line = {.errors = errors, .pauses_max = 10};
    assert_true(insist(&line, 1000));
    assert_true(line.sends == 5 && line.pauses == 4);
}

static void what_does_not_pass_is_not(void **state)
{
    (void)state;
    static int const errors[] = {ETOOMANYREFS, EPIPE};
    struct line line = {.errors = errors, .pauses_max = 10};
    assert_false(insist(&line, 1000));
    assert_int_equal(errno, EPIPE);
    assert_true(line.sends == 2 && line.pauses == 1);
}

static void waiting_ends(void **state)
{
    (void)state;
    int errors[100];
    struct line line = {.errors = errors, .pauses_max = 3};
    for (unsigned int i = 0; i < 100; i++)
        errors[i] = ETOOMANYREFS;
    assert_false(insist(&line, 1000)); /* the caller's own reason */
    assert_int_equal(errno, ETOOMANYREFS);
    assert_true(line.sends == 4 && line.pauses == 4);
    line = (struct line){.errors = errors, .pauses_max = 100};
    assert_false(insist(&line, 50)); /* time */
    assert_int_equal(errno, ETOOMANYREFS);
    assert_true(line.sends > 1 && line.sends < 20);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(what_passes_is_waited_for),
        cmocka_unit_test(what_does_not_pass_is_not),
        cmocka_unit_test(waiting_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
