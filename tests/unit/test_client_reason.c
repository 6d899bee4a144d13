/* What is wrong with a server's certificates has words that fit an answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tls/client_reason.h"
#include "tls/tls_request.h"

static void assert_words(char const *words)
{
    assert_non_null(words);
    assert_true(strlen(words) > 10 && strlen(words) <= TLS_REASON_MAX);
    for (char const *c = words; *c; c++)
        assert_true(*c >= ' ' && *c <= '~');
}

static void test_certificates(void **state)
{
    struct client_chain const chain = {.refusal = NULL};
    (void)state;
    for (int error = BR_ERR_X509_OK + 1; error <= BR_ERR_X509_NOT_TRUSTED; error++)
        assert_words(client_reason(&chain, error));
    assert_string_equal(client_reason(&chain, BR_ERR_X509_BAD_TAG_CLASS),
                        "a certificate of the server is malformed");
}

/* They are both roles' matter: tls/reason.h. */
static void test_others(void **state)
{
    struct client_chain const chain = {.refusal = NULL};
    (void)state;
    assert_null(client_reason(&chain, BR_ERR_BAD_VERSION));
    assert_null(client_reason(&chain, BR_ERR_RECV_FATAL_ALERT + 40));
    assert_null(client_reason(&chain, BR_ERR_X509_NOT_TRUSTED + 1));
}

static void test_own_words(void **state)
{
    struct client_chain const chain = {.refusal = "in our own words"};
    (void)state;
    assert_string_equal(client_reason(&chain, BR_ERR_X509_EXPIRED), "in our own words");
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_own_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
