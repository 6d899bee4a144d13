/* lib/domain_ascii.h where libidn2 fails: the library here does what a test wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <idn2.h>

#include "deliver/remote_exchangers.h"
#include "lib/domain_ascii.h"

#define NAME                                                                                       \
    "b\xc3\xbc"                                                                                    \
    "cher.test"

static int result;

/* In the place of the library's. */
int idn2_lookup_u8(uint8_t const *source, uint8_t **found, int flags)
{
    (void)source;
    (void)flags;
    *found = NULL;
    return result;
}

static void test_failures(void **state)
{
    static struct {
        int result;
        enum domain_ascii_result name;
        enum job_result job;
        char const *code;
    } const cases[] = {
        {IDN2_MALLOC, DOMAIN_ASCII_NO_MEMORY, JOB_DEFERRED, "4.3.0 "},
        {IDN2_DISALLOWED, DOMAIN_ASCII_NONE, JOB_FAILED, "5.1.2 "},
        {IDN2_TOO_BIG_DOMAIN, DOMAIN_ASCII_NONE, JOB_FAILED, "5.1.2 "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[256];
        tain const deadline = TAIN_ZERO;
        struct remote_world world = {.context = NULL};
        struct remote_candidates candidates;
        struct failure failure;
        result = cases[i].result;
        assert_int_equal(domain_ascii(out, sizeof out, NAME), cases[i].name);
        assert_false(remote_exchangers_find(&candidates, &world, NAME, true, &deadline, &failure));
        assert_int_equal(failure.result, cases[i].job);
        assert_memory_equal(failure.text, cases[i].code, strlen(cases[i].code));
    }
}

int main(void)
{
    struct CMUnitTest const tests[] = {cmocka_unit_test(test_failures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
