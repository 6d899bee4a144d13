/* deliver/remote_identity.h: the names, one after the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "deliver/remote_identity.h"

#define LONG_LABEL "a123456789b123456789c123456789d123456789e123456789f123456789abc"

static struct scene {
    char const *domain;
    bool by_mx;
    enum tlspolicy_level level;
    char const *verify_name, *host;
    bool authenticated;
    char const *name; /* NULL: it fails */
} const scenes[] = {
    {"y.example", true, TLSPOLICY_MAY, "", "mx.other.example", false, "mx.other.example"},
    {"y.example", true, TLSPOLICY_ENCRYPT, "", "mx.other.example", false, "mx.other.example"},
    {"y.example", true, TLSPOLICY_VERIFY, "", "mx.y.example", false, "mx.y.example"},
    {"y.example", true, TLSPOLICY_VERIFY, "", "y.example", false, "y.example"},
    {"Y.Example", true, TLSPOLICY_VERIFY, "", "a.b.y.example", false, "a.b.y.example"},
    {"y.example", true, TLSPOLICY_VERIFY, "", "xy.example", false, NULL},
    {"y.example", true, TLSPOLICY_VERIFY, "", "example", false, NULL},
    {"y.example", true, TLSPOLICY_VERIFY, "", "y.example.evil.test", false, NULL},
    {"y.example", true, TLSPOLICY_VERIFY, "", "mx.other.example", false, NULL},
    {"y.example", true, TLSPOLICY_VERIFY, "", "mx.other.example", true, "mx.other.example"},
    {"y.example", true, TLSPOLICY_VERIFY, "mx.z.example", "mx.other.example", false,
     "mx.z.example"},
    {"b\xc3\xbc"
     "cher.example",
     true, TLSPOLICY_VERIFY, "", "mx.xn--bcher-kva.example", false, "mx.xn--bcher-kva.example"},
    {"relay.example", false, TLSPOLICY_VERIFY, "", "relay.example", false, "relay.example"},
    {"relay.example.", false, TLSPOLICY_VERIFY, "", "relay.example.", false, "relay.example"},
    {"192.0.2.1", false, TLSPOLICY_MAY, "", "192.0.2.1", false, ""},
    {"2001:db8::1", false, TLSPOLICY_ENCRYPT, "", "2001:db8::1", false, ""},
    {"192.0.2.1", false, TLSPOLICY_VERIFY, "", "192.0.2.1", false, NULL},
    {"192.0.2.1", false, TLSPOLICY_VERIFY, "relay.example", "192.0.2.1", false, "relay.example"},
    {"[192.0.2.1]", true, TLSPOLICY_VERIFY, "", "192.0.2.1", true, NULL},
    {"y.example", true, TLSPOLICY_MAY, "", LONG_LABEL "." LONG_LABEL "." LONG_LABEL "." LONG_LABEL,
     false, ""},
};

static void names(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        struct scene const *const scene = scenes + i;
        struct remote_way const way = {.host = scene->domain,
                                       .by_mx = scene->by_mx,
                                       .level = scene->level,
                                       .verify_name = scene->verify_name};
        struct remote_candidate candidate;
        struct failure failure = {.result = JOB_DELIVERED};
        char name[TLS_NAME_MAX + 1] = "untouched";
        snprintf(candidate.host, sizeof candidate.host, "%s", scene->host);
        bool const good =
            remote_identity_choose(name, &way, &candidate, scene->authenticated, &failure);
        if (good != (scene->name != NULL) || (good && strcmp(name, scene->name) != 0))
            fail_msg("%s by %s: %d `%s`", scene->domain, scene->host, good, name);
        if (good)
            continue;
        assert_int_equal(failure.result, JOB_DEFERRED);
        assert_memory_equal(failure.text, "4.7.5 ", 6);
        assert_non_null(strstr(failure.text, "verify=NAME"));
    }
}

int main(void)
{
    struct CMUnitTest const tests[] = {cmocka_unit_test(names)};
    return cmocka_run_group_tests(tests, 0, 0);
}
