/* deliver/remote_job.h: what the scheduler gives to ekiden-remote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "deliver/job.h"
#include "deliver/remote_job.h"
#include "lib/smtproutes_parse.h"

static char *copy; /* exactly as long as what is parsed, so that a sanitizer sees a byte too far */

static bool parse(struct remote_job *job, char const *bytes, size_t length)
{
    free(copy);
    copy = malloc(length ? length : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    return remote_job_parse(job, copy, length);
}

static int forget(void **state)
{
    (void)state;
    free(copy);
    copy = NULL;
    return 0;
}

static void a_job_survives_its_way(void **state)
{
    (void)state;
    struct remote_job const job = {
        .route = {.by_mx = true, .count = 1, .hosts = {{.name = "example.org", .port = 65535}}},
        .sender = "",
        .body_8bit = true,
        .smtputf8 = true,
        .offset = 113,
        .length = INT64_MAX - 113,
        .sum = 0xab,
        .count = 2,
        .recipients = {{.number = UINT64_MAX, .address = "ann@example.org"},
                       {.number = 1, .address = "b\303\266rt@example.org"}}};
    static char const wire[] = "example.org\0"
                               "65535\0"
                               "mx\0\0unset\0\0\0\0"
                               "113\0"
                               "9223372036854775694\0"
                               "00000000000000ab\0"
                               "8U\0"
                               "18446744073709551615\0ann@example.org\0"
                               "1\0b\303\266rt@example.org";
    stralloc out = STRALLOC_ZERO;
    struct remote_job parsed;
    assert_true(remote_job_format(&out, &job));
    assert_int_equal(out.len, sizeof wire);
    assert_memory_equal(out.s, wire, sizeof wire);
    assert_true(parse(&parsed, out.s, out.len));
    assert_true(parsed.route.count == 1 && parsed.body_8bit && parsed.smtputf8);
    assert_true(parsed.offset == job.offset && parsed.length == job.length && parsed.sum == 0xab);
    assert_true(smtproutes_are_same(&parsed.route, &job.route));
    assert_string_equal(parsed.sender, "");
    assert_int_equal(parsed.count, 2);
    assert_true(parsed.recipients[0].number == UINT64_MAX && parsed.recipients[1].number == 1);
    assert_string_equal(parsed.recipients[1].address, job.recipients[1].address);
    /* Cut after its first recipient it is a job; cut anywhere else it is none. */
    size_t const first = sizeof wire - sizeof "1\0b\303\266rt@example.org";
    for (size_t length = 0; length < out.len; length++)
        assert_int_equal(parse(&parsed, out.s, length), length == first);
    stralloc_free(&out);
}

static void dsn_survives_its_way(void **state)
{
    (void)state;
    struct remote_job const job = {
        .route = {.by_mx = true, .count = 1, .hosts = {{.name = "x.test", .port = 25}}},
        .sender = "s",
        .dsn = {"id+2B", DSN_RETURN_HEADERS},
        .count = 3,
        .recipients = {{1, "a", {DSN_SUCCESS | DSN_DELAY, "rfc822;A"}},
                       {2, "b", {DSN_NEVER, NULL}},
                       {3, "c", {0, "utf-8;\303\266"}}}};
    static char const wire[] = "x.test\00025\0mx\0\0unset\0\0\0s\0000\0000\0000000000000000000\0\0"
                               "Vid+2B\0RH\0001\0a\0NSD\0Orfc822;A\0002\0b\0NN\0003\0c\0"
                               "Outf-8;\303\266";
    static struct {
        char const *bytes;
        size_t length;
    } const bad[] = {
#define BAD(text)                                                                                  \
    {"h\00025\0mx\0\0may\0\0\0s\0000\0000\0000000000000000000\0\0" text,                           \
     sizeof "h\00025\0mx\0\0may\0\0\0s\0000\0000\0000000000000000000\0\0" text}
        BAD("V\0001\0a"),          BAD("Va=b\0001\0a"),   BAD("RX\0001\0a"),
        BAD("RH\0Vx\0001\0a"),     BAD("1\0a\0NSS"),      BAD("1\0a\0N"),
        BAD("1\0a\0Ox"),           BAD("1\0a\0Ox;y\0NN"), BAD("1\0a\0NN\0NN"),
        BAD("1\0a\0Orfc822;x+0A"), BAD("NN\0001\0a"),
#undef BAD
    };
    stralloc out = STRALLOC_ZERO;
    struct remote_job parsed;
    assert_true(remote_job_format(&out, &job));
    assert_int_equal(out.len, sizeof wire);
    assert_memory_equal(out.s, wire, sizeof wire);
    assert_true(parse(&parsed, out.s, out.len));
    assert_string_equal(parsed.dsn.envid, "id+2B");
    assert_int_equal(parsed.dsn.return_wish, DSN_RETURN_HEADERS);
    assert_int_equal(parsed.recipients[0].dsn.notify, DSN_SUCCESS | DSN_DELAY);
    assert_string_equal(parsed.recipients[0].dsn.orcpt, "rfc822;A");
    assert_int_equal(parsed.recipients[1].dsn.notify, DSN_NEVER);
    assert_null(parsed.recipients[1].dsn.orcpt);
    assert_int_equal(parsed.recipients[2].dsn.notify, 0);
    assert_string_equal(parsed.recipients[2].dsn.orcpt, "utf-8;\303\266");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (parse(&parsed, bad[i].bytes, bad[i].length))
            fail_msg("%zu", i);
    stralloc_free(&out);
}

static void a_route_survives_its_way(void **state)
{
    (void)state;
    static char const *const routes[] = {
        "relay.example",
        "one:26,[2001:db8::1]:465",
        "one implicit tls=verify=mx.one auth=isp",
        "one,two:587 auth=a@b tls=may clear-auth",
        " tls=encrypt",
        ":465",
        "lmtp:/run/dovecot/lmtp",
        "lmtp:one:24,lmtp:[::1]:465 tls=encrypt",
        "one,lmtp:/run/dovecot/lmtp",
    };
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        stralloc out = STRALLOC_ZERO;
        struct remote_job job = {.sender = "",
                                 .count = 1,
                                 .recipients = {{.number = 7, .address = "r"}}},
                          parsed;
        assert_null(smtproutes_parse(&job.route, routes[i], strlen(routes[i])));
        if (job.route.by_mx)
            strcpy(job.route.hosts[0].name, "domain.example");
        assert_true(remote_job_format(&out, &job));
        if (!parse(&parsed, out.s, out.len) || !smtproutes_are_same(&parsed.route, &job.route))
            fail_msg("%s", routes[i]);
        stralloc_free(&out);
    }
}

#define SUM16 "0123456789abcdef"

static void malformed_jobs_are_refused(void **state)
{
    (void)state;
    static struct {
        char const *bytes;
        size_t length;
        bool good;
    } const cases[] = {
#define CASE(text, good) {text, sizeof text, good}
        CASE("h\00025\0host\0\0may\0\0\0s\0000\0000\0" SUM16 "\0\0001\0r", true),
        CASE("h\00025\0host\0\0may\0\0\0s\0000\0000\0" SUM16 "\0", false),
        CASE("h\00025\0mx\0\0may\0\0\0s\0000\0000\0" SUM16 "\0\0001\0r", true),
        CASE("h\00025\0host-tls\0i\00026\0host\0\0verify\0n\0a\0s\0000\0000\0" SUM16
             "\0008UC\0001\0r",
             true),
        CASE("h\00025\0mx\0i\00026\0host\0\0may\0\0\0s\0000\0000\0" SUM16 "\0\0001\0r", false),
        CASE("h\00025\0host\0i\00026\0mx\0\0may\0\0\0s\0000\0000\0" SUM16 "\0\0001\0r", false),
        CASE("h\00025\0host\0i\00025\0host\0j\00025\0host\0\0may\0\0\0s\0000\0000\0" SUM16
             "\0\0001\0r",
             false),
        CASE("h\00025\0host\0\0more\0\0\0s\0000\0000\0" SUM16 "\0\0001\0r", false),
        CASE("h\00025\0host\0\0may\0\0a b\0s\0000\0000\0" SUM16 "\0\0001\0r", false),
        CASE("h\00025\0host\0\0may\0\n\0\0s\0000\0000\0" SUM16 "\0\0001\0r", false),
        CASE("h\00025\0host\0\0may\0\0\0s\0000\0000\0" SUM16 "\0\0001\0", false),
        CASE("h\00025\0host\0\0may\0\0\0s\0000\0000\0" SUM16 "\0\0001\0r\0002", false),
        CASE("h\00025\0host\0\0may\0\0\0s\0000\0000\0" SUM16 "\0\0001\0r\0001\0t", false),
        CASE("h\00025\0host\0\0may\0\0\0s\0000\0000\0" SUM16 "\0\000x\0r", false),
        CASE("h\00025\0host\0\0may\0\0\0s\0000\0000\0" SUM16 "\0\0001\0r\n", false),
        CASE("h\00025\0host\0\0may\0\0\0s\0000\0000\0" SUM16 "\0U8\0001\0r", false),
        CASE("h\00025\0host\0\0may\0\0\0s\0000\0000\0" SUM16 "\0008\0001\0r", true),
        CASE("h\00025\0host\0\0may\0\0\0s\0000\0000\0" SUM16 "\00088\0001\0r", false),
        CASE("\00025\0host\0\0may\0\0\0s\0000\0000\0" SUM16 "\0\0001\0r", false),
        CASE("h\n\00025\0host\0\0may\0\0\0s\0000\0000\0" SUM16 "\0\0001\0r", false),
        CASE("h\0000\0host\0\0may\0\0\0s\0000\0000\0" SUM16 "\0\0001\0r", false),
        CASE("h\00065536\0host\0\0may\0\0\0s\0000\0000\0" SUM16 "\0\0001\0r", false),
        CASE("h\00025\0\0\0may\0\0\0s\0000\0000\0" SUM16 "\0\0001\0r", false),
        CASE("h\00025\0mxx\0\0may\0\0\0s\0000\0000\0" SUM16 "\0\0001\0r", false),
        CASE("h\00025\0host\0\0may\0\0\0s\r\0000\0000\0" SUM16 "\0\0001\0r", false),
        CASE("h\00025\0host\0\0may\0\0\0s\0009223372036854775808\0000\0" SUM16 "\0\0001\0r", false),
        CASE("h\00025\0host\0\0may\0\0\0s\0001\0009223372036854775807\0" SUM16 "\0\0001\0r", false),
        CASE("h\00025\0host\0\0may\0\0\0s\0000\0000\0000\0\0001\0r", false),
#define LMTP(host, good) CASE(host "\0\0may\0\0\0s\0000\0000\0" SUM16 "\0\0001\0r", good)
        LMTP("h\00025\0lmtp", true),
        LMTP("h\00025\0lmtp-tls", true),
        LMTP("/h\0000\0lmtp", true),
        LMTP("/h\0000\0lmtp\0h\00025\0host", true),
        LMTP("h\0000\0lmtp", false),
        LMTP("/h\00025\0lmtp", false),
        LMTP("/h\0000\0lmtp-tls", false),
        LMTP("/h\0000\0host", false),
        LMTP("/h\0000\0mx", false),
        LMTP("/h\0000\0lmtp\0i\00025\0mx", false),
        LMTP("/2345678901234567890123456789012345678901234567890123456789012345678901234567890"
             "12345678901234567890123456789\0000\0lmtp",
             false),
#undef LMTP
#undef CASE
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct remote_job job;
        if (parse(&job, cases[i].bytes, cases[i].length) != cases[i].good)
            fail_msg("case %zu", i);
    }
}

#define HOST_MAX (SMTPROUTES_HOST_MAX - 1)

static void lengths_and_counts_are_bounded(void **state)
{
    (void)state;
    static struct {
        size_t host, address;
        unsigned int count;
        bool good;
    } const cases[] = {
        {HOST_MAX, JOB_ADDRESS_MAX, REMOTE_JOB_RECIPIENTS_MAX, true},
        {HOST_MAX + 1, 1, 1, false},
        {1, JOB_ADDRESS_MAX + 1, 1, false},
        {1, 1, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char address[JOB_ADDRESS_MAX + 2] = "";
        struct remote_job job = {.route = {.count = 1, .hosts = {{.port = 25}}},
                                 .sender = "",
                                 .count = cases[i].count},
                          parsed;
        memset(job.route.hosts[0].name, 'h', cases[i].host > HOST_MAX ? HOST_MAX : cases[i].host);
        memset(address, 'a', cases[i].address);
        for (unsigned int number = 0; number < job.count; number++)
            job.recipients[number] =
                (struct remote_job_recipient){.number = number, .address = address};
        stralloc out = STRALLOC_ZERO;
        assert_true(remote_job_format(&out, &job));
        if (cases[i].host > HOST_MAX)
            assert_true(stralloc_insertb(&out, 0, "h", 1));
        assert_int_equal(parse(&parsed, out.s, out.len), cases[i].good);
        if (cases[i].good) { /* and one more is too many */
            assert_true(stralloc_catb(&out, "999\0a", 6));
            assert_false(parse(&parsed, out.s, out.len));
        }
        stralloc_free(&out);
    }
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_teardown(a_job_survives_its_way, forget),
        cmocka_unit_test_teardown(dsn_survives_its_way, forget),
        cmocka_unit_test_teardown(a_route_survives_its_way, forget),
        cmocka_unit_test_teardown(malformed_jobs_are_refused, forget),
        cmocka_unit_test_teardown(lengths_and_counts_are_bounded, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
