/* smtpd/results.h: whatever a stranger says, the fields stay well-formed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtpd/results.h"

/* One word, or one quoted string without anything but printable ASCII (and with UTF8 more). */
static void check_value(char const *bytes, size_t length, bool utf8)
{
    stralloc out = STRALLOC_ZERO;
    size_t taken = 0;
    assert_true(results_add_value(&out, bytes, length, utf8));
    assert_true(out.len > 0);
    if (out.s[0] != '"') {
        assert_int_equal(out.len, length);
        for (size_t i = 0; i < out.len; i++)
            assert_non_null(memchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                   "-_+.",
                                   out.s[i], 66));
        stralloc_free(&out);
        return;
    }
    for (size_t i = 1; i + 1 < out.len; i++, taken++) {
        if (out.s[i] == '\\')
            i++;
        else
            assert_int_not_equal(out.s[i], '"');
        assert_true(i + 1 < out.len);
        unsigned char const byte = (unsigned char)out.s[i];
        assert_true((byte >= 0x20 && byte < 0x7f) || (utf8 && byte >= 0x80));
        assert_true(byte == (unsigned char)bytes[taken] || byte == '?');
    }
    assert_int_equal(out.s[out.len - 1], '"');
    assert_int_equal(taken, length);
    stralloc_free(&out);
}

static void any_value_is_well_formed(void **state)
{
    unsigned int seed = 11;
    (void)state;
    check_value("", 0, false);
    for (int round = 0; round < 100000; round++) {
        char bytes[12];
        size_t const length = (size_t)rand_r(&seed) % sizeof bytes;
        for (size_t i = 0; i < length; i++)
            bytes[i] = rand_r(&seed) % 2 ? "a.\"\\;( \r\n\xc3\xa4="[rand_r(&seed) % 12]
                                         : (char)rand_r(&seed);
        check_value(bytes, length, round % 2);
    }
}

static void name(struct spf_identity *identity, char const *text, enum spf_result result)
{
    identity->stage = SPF_KNOWN;
    identity->answer.result = result;
    identity->name_length = strlen(text);
    memcpy(identity->name, text, identity->name_length + 1);
}

static void expect(struct results const *results, char const *expected)
{
    stralloc out = STRALLOC_ZERO;
    assert_true(results_format(&out, results));
    assert_true(stralloc_0(&out));
    assert_string_equal(out.s, expected);
    stralloc_free(&out);
}

static void fields(void **state)
{
    static struct spf_identities spf;
    ip46 remote;
    struct results results = {.me = "mx.example.org", .remote = &remote, .spf = &spf, .name = ""};
    (void)state;
    ip46_scan("2001:db8::1", &remote);
    expect(&results, "");
    name(&spf.helo, "a\\) (", SPF_NONE);
    name(&spf.sender, "a b@example.com", SPF_PASS);
    results.iprev = "pass";
    results.name = "host.example";
    expect(&results, "Authentication-Results: mx.example.org;\n"
                     " spf=pass smtp.mailfrom=\"a b\"@example.com;\n"
                     " spf=none smtp.helo=\"a\\\\) (\";\n"
                     " iprev=pass policy.iprev=\"2001:db8::1\" (host.example)\n"
                     "Received-SPF: pass (mx.example.org:\n"
                     " example.com designates 2001:db8::1 as permitted sender)\n"
                     " client-ip=\"2001:db8::1\";\n envelope-from=\"a b@example.com\";\n"
                     " helo=\"a\\\\) (\";\n receiver=mx.example.org;\n identity=mailfrom\n"
                     "Received-SPF: none (mx.example.org:\n a\\\\\\) \\( has no record)\n"
                     " client-ip=\"2001:db8::1\";\n envelope-from=\"a b@example.com\";\n"
                     " helo=\"a\\\\) (\";\n receiver=mx.example.org;\n identity=helo\n");
    spf.helo.stage = spf.sender.stage = SPF_NOT_ASKED;
    results.iprev = "permerror";
    results.name = "";
    expect(&results, "Authentication-Results: mx.example.org;\n"
                     " iprev=permerror policy.iprev=\"2001:db8::1\"\n");
}

int main(void)
{
    struct CMUnitTest const tests[] = {cmocka_unit_test(any_value_is_well_formed),
                                       cmocka_unit_test(fields)};
    return cmocka_run_group_tests_name("results", tests, NULL, NULL);
}
