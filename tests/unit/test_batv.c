/* BATV: the same signatures as Exim makes, and none that no key has made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "control_folder.h"

#include <cmocka.h>

#include "lib/batv.h"
#include "lib/batv_settings.h"

#define NOW 1700000000 /* day 19675 */
#define DAY 86400
#define KEYS(s)                                                                                    \
    ((struct secret_keys const *)&(struct secret_keys const){.bytes = s, .size = sizeof s})
#define THE_KEYS KEYS("tricky secret key")
#define THE_USER "user@example.com"

static char const *sign_at(char const *address, time_t now)
{
    static char out[BATV_SIZE];
    assert_true(batv_fits(address, strlen(address)));
    batv_sign(out, THE_KEYS, address, strlen(address), now);
    return out;
}

static enum batv_result check_at(char const *address, time_t now)
{
    return batv_check(THE_KEYS, address, strlen(address), now);
}

/* By Exim 4.96, ${prvs{ADDRESS}{tricky secret key}{K}}, at these times. */
static struct {
    time_t now;
    char const *address, *signed_address, *by_key_7;
} const vectors[] = {
    {1700000000, THE_USER, "prvs=0682d54e6b=user@example.com", "prvs=7682469f76=user@example.com"},
    {1700000000, "a-b+c@sub.example.org", "prvs=068293fe7d=a-b+c@sub.example.org",
     "prvs=7682a22dfb=a-b+c@sub.example.org"},
    {1700006400, THE_USER, "prvs=0683a6e058=user@example.com", "prvs=7683846af5=user@example.com"},
    {1699747200, THE_USER, "prvs=0680fc9490=user@example.com", "prvs=768026c3d6=user@example.com"},
    {1295999999, THE_USER, "prvs=0006a4caa4=user@example.com", "prvs=700603edb5=user@example.com"},
    {1295999999, "a-b+c@sub.example.org", "prvs=0006f0cef3=a-b+c@sub.example.org",
     "prvs=7006a40d3e=a-b+c@sub.example.org"},
};

static void as_exim_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        assert_string_equal(sign_at(vectors[i].address, vectors[i].now), vectors[i].signed_address);
        assert_int_equal(check_at(vectors[i].signed_address, vectors[i].now), BATV_OK);
        assert_int_equal(check_at(vectors[i].by_key_7, vectors[i].now), BATV_OK);
        assert_string_equal(vectors[i].signed_address + BATV_TAG_LENGTH, vectors[i].address);
    }
}

/* Every day of the thousand, and the hour at which one ends. */
static void a_signature_ages(void **state)
{
    static time_t const midnight = NOW - NOW % DAY;
    char address[BATV_SIZE];
    (void)state;
    for (time_t start = midnight; start < midnight + (time_t)1001 * DAY; start += DAY) {
        time_t const end = start + (time_t)(BATV_DAYS + 1) * DAY;
        strcpy(address, sign_at(THE_USER, start));
        assert_string_equal(sign_at(THE_USER, start + DAY - 1), address);
        assert_int_equal(check_at(address, start), BATV_OK);
        assert_int_equal(check_at(address, end - 1), BATV_OK);
        assert_int_equal(check_at(address, end), BATV_EXPIRED);
        assert_int_equal(check_at(address, start - 1), BATV_OK);
        assert_int_equal(check_at(address, start - DAY - 1), BATV_EXPIRED);
        assert_int_equal(check_at(address, start + (time_t)500 * DAY), BATV_EXPIRED);
        assert_int_equal(check_at(address, start + (time_t)991 * DAY), BATV_EXPIRED);
    }
}

static void case_on_the_way(void **state)
{
    (void)state;
    assert_int_equal(check_at("PRVS=0682D54E6B=USER@EXAMPLE.COM", NOW), BATV_OK);
    assert_int_equal(check_at("pRvS=0682d54E6b=User@Example.com", NOW), BATV_OK);
    assert_string_equal(sign_at("User@Example.COM", NOW), "prvs=0682d54e6b=User@Example.COM");
}

/* Each bit of each byte. Of those that change the case of a letter nothing else changes. */
static void tampering(void **state)
{
    static char const good[] = "prvs=0682d54e6b=user@example.com";
    char address[sizeof good];
    (void)state;
    for (size_t i = 0; i < sizeof good - 1; i++)
        for (unsigned int bit = 0; bit < 8; bit++) {
            strcpy(address, good);
            address[i] = (char)(address[i] ^ (1 << bit));
            bool const is_case = bit == 5 && good[i] >= 'a' && good[i] <= 'z';
            assert_true(is_case == (check_at(address, NOW) == BATV_OK));
        }
    for (size_t i = 0; i < sizeof good - 1; i++) {
        memcpy(address, good, i);
        strcpy(address + i, good + i + 1);
        assert_int_not_equal(check_at(address, NOW), BATV_OK);
        assert_int_not_equal(batv_check(THE_KEYS, good, i, NOW), BATV_OK);
    }
}

static void forms(void **state)
{
    static char const *const malformed[] = {
        "",
        "@",
        "user@example.com",
        "prvs",
        "prvs=",
        "prvs=@example.com",
        "prvs=0682d54e6b@example.com",
        "prvs=0682d54e6b=@example.com",
        "prvs=0682d54e6b=user",
        "prvs=0682d54e6=user@example.com",
        "prvs=0682d54e6bb=user@example.com",
        "prvs=a682d54e6b=user@example.com",
        "prvs=068ad54e6b=user@example.com",
        "prvs=0682g54e6b=user@example.com",
        "prvs=0682d54e6b-user@example.com",
        "prvs-0682d54e6b=user@example.com",
        "prvs=user/0682d54e6b@example.com",
        "btv1==0682d54e6b=user@example.com",
        " prvs=0682d54e6b=user@example.com",
    };
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
        assert_int_equal(check_at(malformed[i], NOW), BATV_FORM);
    assert_int_equal(check_at("prvs=0682d54e6c=user@example.com", NOW), BATV_FORGED);
    assert_int_equal(check_at("prvs=0682d54e6b=users@example.com", NOW), BATV_FORGED);
    assert_int_equal(check_at("prvs=0682d54e6b=user@example.org", NOW), BATV_FORGED);
}

static void several_keys(void **state)
{
    static char const of_the_old[] = "prvs=0682d54e6b=user@example.com";
    struct secret_keys const *const both = KEYS("a newer secret\0tricky secret key");
    struct secret_keys const none = {.size = 0};
    char address[BATV_SIZE];
    (void)state;
    batv_sign(address, both, THE_USER, strlen(THE_USER), NOW);
    assert_string_not_equal(address, of_the_old);
    assert_int_equal(batv_check(both, address, strlen(address), NOW), BATV_OK);
    assert_int_equal(batv_check(both, of_the_old, strlen(of_the_old), NOW), BATV_OK);
    assert_int_equal(check_at(address, NOW), BATV_FORGED);
    assert_int_equal(batv_check(&none, of_the_old, strlen(of_the_old), NOW), BATV_FORGED);
}

static bool fits(char const *address)
{
    return batv_fits(address, strlen(address));
}

static void what_is_not_signed(void **state)
{
    char address[ADDRESS_MAX + 1];
    (void)state;
    assert_true(fits(THE_USER));
    assert_true(fits("with space@example.com"));
    assert_true(fits("\xc3\xbcser@b\xc3\xbc"
                     "cher.example"));
    assert_false(fits(""));
    assert_false(fits("#@[]"));
    assert_false(fits("user"));
    assert_false(fits("@example.com"));
    assert_false(fits("user@"));
    assert_false(fits("user@[192.0.2.1]"));
    assert_false(fits("list-owner-user=domain@example.com"));
    assert_false(fits("SRS0=abcd=TT=example.com=user@example.com"));
    assert_false(fits("prvs=0682d54e6b=user@example.com"));
    assert_false(fits("=@example.com"));
    memset(address, 'x', 48);
    strcpy(address + 48, "@example.com");
    assert_true(fits(address));
    assert_int_equal(strchr(sign_at(address, NOW), '@') - sign_at(address, NOW), ADDRESS_LOCAL_MAX);
    assert_int_equal(check_at(sign_at(address, NOW), NOW), BATV_OK);
    memset(address, 'x', 49);
    strcpy(address + 49, "@example.com");
    assert_false(fits(address));
    /* and the whole: 254 with the signature */
    memset(address, 'x', 48);
    address[48] = '@';
    memset(address + 49, 'd', 190);
    for (size_t i = 49 + 60; i < 49 + 190; i += 60)
        address[i] = '.';
    address[49 + 189] = 0;
    assert_int_equal(strlen(address) + BATV_TAG_LENGTH, ADDRESS_PATH_MAX - 2);
    assert_true(fits(address));
    strcpy(address + 49 + 189, "d");
    assert_false(fits(address));
}

/* --- the files --- */

static enum control_result load(struct folder *folder, struct batv_settings *settings)
{
    return batv_settings_load(settings, &folder->control, &folder->error);
}

static void write_keys(struct folder *folder, char const *text, mode_t mode)
{
    folder_write_bytes(folder, "batv", text, strlen(text));
    assert_int_equal(fchmodat(folder->control.directory, "batv", mode, 0), 0);
}

static void the_files(void **state)
{
    struct folder *const folder = *state;
    struct batv_settings settings;
    struct routing routing;
    folder_write_bytes(folder, "me", "example.com\n", 12);
    folder_write_bytes(folder, "virtualdomains", "anna@virtual.example:anna\n", 26);
    assert_int_equal(routing_load(&routing, &folder->control, &folder->error), CONTROL_OK);
#define SIGNS(address) batv_signs(&settings, &routing, address, strlen(address))
#define OURS(address)  batv_is_ours(&settings, &routing, address, strlen(address))
    assert_int_equal(load(folder, &settings), CONTROL_OK);
    assert_false(SIGNS(THE_USER) || settings.check);
    assert_false(OURS("prvs=0682d54e6b=user@example.com"));
    batv_settings_free(&settings);
    write_keys(folder, "# two\nfirst secret\nsecond secret\n", 0600);
    folder_write_bytes(folder, "batvexempt", "List@example.com\n", 17);
    folder_write_bytes(folder, "batvcheck", "1\n", 2);
    assert_int_equal(load(folder, &settings), CONTROL_OK);
    assert_true(settings.check == 1 && !settings.keys.refused);
    assert_true(SIGNS(THE_USER) && SIGNS("anna@virtual.example"));
    assert_false(SIGNS("list@example.com") || SIGNS("user@other.example") || SIGNS("user"));
    assert_false(SIGNS("bob@virtual.example"));
    assert_true(OURS("prvs=0682d54e6b=user@example.com") && OURS("PRVS=x@example.com"));
    assert_true(OURS("prvs=0682d54e6b=anna@virtual.example"));
    assert_false(OURS("prvs=0682d54e6b=bob@virtual.example") || OURS("prvs@example.com"));
    assert_false(OURS("prvs=0682d54e6b=user@other.example") || OURS("prvs=0682d54e6b=user"));
    batv_settings_free(&settings);
    routing_free(&routing);
}

static void files_that_are_wrong(void **state)
{
    struct folder *const folder = *state;
    struct batv_settings settings;
    write_keys(folder, "a fine secret\nsecret7\n", 0600);
    assert_int_equal(load(folder, &settings), CONTROL_ERROR);
    assert_non_null(strstr(folder->error.text, "batv:2: expected a key"));
    assert_null(strstr(folder->error.text, "secret7"));
    write_keys(folder, "a fine secret\n", 0644);
    assert_int_equal(load(folder, &settings), CONTROL_OK);
    assert_true(settings.keys.refused && settings.keys.size == 0);
    batv_settings_free(&settings);
    folder_write_bytes(folder, "batvcheck", "2\n", 2);
    assert_int_equal(load(folder, &settings), CONTROL_ERROR);
    folder_write_bytes(folder, "batvcheck", "1\n", 2);
    folder_write_bytes(folder, "batvexempt", "@good.example\nnobody\n", 21);
    assert_int_equal(load(folder, &settings), CONTROL_ERROR);
    assert_non_null(strstr(folder->error.text, "batvexempt:2: expected ADDRESS, @DOMAIN"));
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(as_exim_does),
        cmocka_unit_test(a_signature_ages),
        cmocka_unit_test(case_on_the_way),
        cmocka_unit_test(tampering),
        cmocka_unit_test(forms),
        cmocka_unit_test(several_keys),
        cmocka_unit_test(what_is_not_signed),
        cmocka_unit_test_setup_teardown(the_files, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(files_that_are_wrong, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
