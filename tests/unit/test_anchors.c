/* The bundle of authorities: what is taken from a PEM file, and what is skipped. */
#include "tests/unit/control_folder.h"

#include "lib/log.h"
#include "tls/anchors.h"
#include "tls/anchors_watch.h"

#define SYSTEM_BUNDLE "/etc/ssl/certs/ca-certificates.crt"

/* P-256, CN=Root of the tests, a CA. Made by openssl req -x509. */
#define ROOT                                                                                       \
    "-----BEGIN CERTIFICATE-----\n"                                                                \
    "MIIBjzCCATWgAwIBAgIUbyYMzs1Q9x6ub+IfE6jeTQWidr4wCgYIKoZIzj0EAwIw\n"                           \
    "HDEaMBgGA1UEAwwRUm9vdCBvZiB0aGUgdGVzdHMwIBcNMjYxMTIyMTEyOTUwWhgP\n"                           \
    "MjEyNjEwMjkxMTI5NTBaMBwxGjAYBgNVBAMMEVJvb3Qgb2YgdGhlIHRlc3RzMFkw\n"                           \
    "EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEUmKq0l5Yj8XLhB2K451EhixuDvIjaB8\n"                           \
    "ia4k9HMOu+hu1eLZ43/t4I3Xf3y/9jVZK3OTvOVURY5hhXpZZO/G/KNTMFEwHQYD\n"                           \
    "VR0OBBYEFKg4qYDTczdmmJFemkkLgq159neaMB8GA1UdIwQYMBaAFKg4qYDTczdm\n"                           \
    "mJFemkkLgq159neaMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIg\n"                           \
    "XAAl9tG231FQXO0l7Uj2hjfFKxGU67aqPH8nSTiaQu0CIQDZVvFbVxng/ohmqBvd\n"                           \
    "QnRqOcB9AnzyvXLV+Yisx7qmzQ==\n"                                                               \
    "-----END CERTIFICATE-----\n"
#define BROKEN     "-----BEGIN CERTIFICATE-----\nMIIBjzCCATU=\n-----END CERTIFICATE-----\n"
#define NOT_BASE64 "-----BEGIN CERTIFICATE-----\nMII BjzC?CATU=\n-----END CERTIFICATE-----\n"
#define NO_END     "-----BEGIN CERTIFICATE-----\nMIIBjzCCATU=\n"
#define KEY        "-----BEGIN PRIVATE KEY-----\nMIIBjzCCATU=\n-----END PRIVATE KEY-----\n"

/* Reads TEXT as the bundle. */
static void read_text(struct folder *folder, struct anchors *anchors, char const *text)
{
    char line[128];
    folder_write(folder, "bundle.pem", text);
    snprintf(line, sizeof line, "%s/bundle.pem\n", folder->path);
    folder_write(folder, "tlsanchors", line);
    anchors_read(anchors, &folder->control);
    while (anchors_are_waiting(anchors))
        anchors_decode_next(anchors, true);
}

static void assert_read(void **state, char const *text, size_t count, size_t skipped)
{
    struct anchors anchors;
    read_text(*state, &anchors, text);
    assert_int_equal(anchors.count, count);
    assert_int_equal(anchors.skipped, skipped);
    if (count)
        assert_null(anchors_problem(&anchors));
    else
        assert_non_null(strstr(anchors_problem(&anchors), "no authorities to verify with"));
    anchors_free(&anchors);
}

static void test_bundles(void **state)
{
    assert_read(state, ROOT, 1, 0);
    assert_read(state, "# Root\n" ROOT "text\n" ROOT ROOT, 3, 0);
    assert_read(state, ROOT KEY, 1, 0);
    assert_read(state, BROKEN ROOT, 1, 1);
    assert_read(state, ROOT NOT_BASE64 ROOT, 2, 1);
    assert_read(state, NO_END ROOT, 1, 1);
    assert_read(state, ROOT NO_END, 1, 1);
    assert_read(state, "-----BEGIN CERTIFICATE----------END CERTIFICATE-----\n", 0, 1);
    assert_read(state, BROKEN, 0, 1);
    assert_read(state, "nothing of the kind\n", 0, 0);
    assert_read(state, "", 0, 0);
}

static void test_root(void **state)
{
    struct anchors anchors;
    read_text(*state, &anchors, ROOT);
    br_x509_trust_anchor const *const root = &anchors.list[0];
    assert_int_equal(root->flags, BR_X509_TA_CA);
    assert_int_equal(root->pkey.key_type, BR_KEYTYPE_EC);
    assert_int_equal(root->pkey.key.ec.curve, BR_EC_secp256r1);
    assert_int_equal(root->pkey.key.ec.qlen, 65);
    assert_non_null(memmem(root->dn.data, root->dn.len, "Root of the tests", 17));
    anchors_free(&anchors);
}

static void assert_problem(struct folder *folder, char const *expected)
{
    struct anchors anchors;
    anchors_read(&anchors, &folder->control);
    assert_false(anchors_are_waiting(&anchors));
    assert_non_null(strstr(anchors_problem(&anchors), expected));
    anchors_free(&anchors);
}

static void test_no_bundle(void **state)
{
    struct folder *const folder = *state;
    folder_write(folder, "tlsanchors", "/nonexistent/bundle\n");
    assert_problem(folder, "/nonexistent/bundle: No such file");
    folder_write(folder, "tlsanchors", "/etc\n");
    assert_problem(folder, "/etc: not a file");
    folder_write(folder, "tlsanchors", "/dev/zero\n");
    assert_problem(folder, "/dev/zero: not a file");
    folder_write(folder, "tlsanchors", "bundle\n");
    assert_problem(folder, "tlsanchors:1: expected the path of a PEM file");
}

/* A certificate that is not finished in any place, or has any bit wrong, is no crash; and a key
 * never changes with it. (ASan looks on in the sanitizer build.) */
static void test_damaged(void **state)
{
    char text[sizeof ROOT];
    struct anchors anchors;
    struct folder *const folder = *state;
    for (size_t i = strlen("-----BEGIN CERTIFICATE-----\n"); i < sizeof ROOT - 30; i += 7) {
        memcpy(text, ROOT, sizeof ROOT);
        text[i] = text[i] == 'A' ? 'B' : 'A';
        read_text(folder, &anchors, text);
        assert_true(anchors.count + anchors.skipped <= 1);
        anchors_free(&anchors);
    }
}

static void test_system(void **state)
{
    struct folder *const folder = *state;
    struct anchors anchors;
    if (access(SYSTEM_BUNDLE, R_OK) != 0)
        skip();
    unlinkat(folder->control.directory, "tlsanchors", 0);
    anchors_read(&anchors, &folder->control);
    while (anchors_are_waiting(&anchors))
        anchors_decode_next(&anchors, false);
    assert_string_equal(anchors.path, SYSTEM_BUNDLE);
    assert_true(anchors.count > 50);
    assert_int_equal(anchors.skipped, 0);
    anchors_free(&anchors);
}

static void test_watch(void **state)
{
    struct folder *const folder = *state;
    struct anchors anchors;
    struct anchors_watch watch;
    read_text(folder, &anchors, ROOT);
    anchors_free(&anchors);
    anchors_watch_start(&watch, &folder->control);
    assert_false(anchors_watch_look(&watch));
    folder_write(folder, "bundle.pem", ROOT ROOT);
    assert_false(anchors_watch_look(&watch)); /* it may be half a file */
    folder_write(folder, "bundle.pem", ROOT ROOT ROOT);
    assert_false(anchors_watch_look(&watch));
    assert_true(anchors_watch_look(&watch));
    assert_false(anchors_watch_look(&watch));
    unlinkat(folder->control.directory, "tlsanchors", 0); /* now the system's bundle */
    assert_false(anchors_watch_look(&watch));
    assert_true(anchors_watch_look(&watch));
    folder_write(folder, "bundle.pem", ROOT);
    assert_false(anchors_watch_look(&watch));
    assert_false(anchors_watch_look(&watch));
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(test_bundles, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_root, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_no_bundle, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_damaged, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_system, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_watch, folder_make, folder_remove),
    };
    log_start("test");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
