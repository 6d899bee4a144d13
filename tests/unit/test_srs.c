/* SRS: the same addresses as Mail::SRS makes, back again, and nothing that no key has signed. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "control_folder.h"

#include <cmocka.h>

#include "lib/srs.h"
#include "lib/srs_settings.h"

#define NOW    1700000000 /* day 403 of 1024: G3 */
#define DAY    86400
#define DOMAIN "forward.example"
#define KEYS(s)                                                                                    \
    ((struct secret_keys const *)&(struct secret_keys const){.bytes = s, .size = sizeof s})
#define THE_KEYS KEYS("tricky secret key")

static char const *forward_at(char const *sender, time_t now)
{
    static char out[SRS_SIZE];
    return srs_forward(out, THE_KEYS, sender, DOMAIN, now) ? out : NULL;
}

static char const *forward(char const *sender)
{
    return forward_at(sender, NOW);
}

static enum srs_result reverse_by(char out[SRS_SIZE], struct secret_keys const *keys,
                                  char const *address, time_t now)
{
    char const *const at = strrchr(address, '@');
    return srs_reverse(out, keys, address, at ? (size_t)(at - address) : strlen(address), now);
}

static enum srs_result reverse_at(char const *address, time_t now)
{
    char out[SRS_SIZE];
    return reverse_by(out, THE_KEYS, address, now);
}

static enum srs_result reverse(char const *address)
{
    return reverse_at(address, NOW);
}

/* By Mail::SRS 0.31 with this key, at this time. */
static struct {
    char const *sender, *rewritten;
} const vectors[] = {
    {"user@example.com", "SRS0=DeJt=G3=example.com=user@forward.example"},
    {"User.Name@Example.COM", "SRS0=qSHc=G3=Example.COM=User.Name@forward.example"},
    {"x=y+z@a.example", "SRS0=E8Z/=G3=a.example=x=y+z@forward.example"},
    {"SRS0=abcd=TT=example.com=user@first.example",
     "SRS1=Bkea=first.example==abcd=TT=example.com=user@forward.example"},
    {"SRS0+abcd=TT=example.com=user@first.example",
     "SRS1=4W00=first.example=+abcd=TT=example.com=user@forward.example"},
    {"SRS1=WXYZ=first.example==abcd=TT=example.com=user@second.example",
     "SRS1=Bkea=first.example==abcd=TT=example.com=user@forward.example"},
    {"srs1-WXYZ=first.example=-abcd=TT=example.com=user@second.example",
     "SRS1=o+Ur=first.example=-abcd=TT=example.com=user@forward.example"},
};

static void as_others_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        assert_string_equal(forward(vectors[i].sender), vectors[i].rewritten);
}

static void there_and_back(void **state)
{
    static char const *const senders[] = {"user@example.com",
                                          "x=y+z@a.example",
                                          ("\xc3\xbcser@b\xc3\xbc"
                                           "cher.example"),
                                          "with space@example.com",
                                          "a@b@example.com",
                                          "list-owner-user=domain@example.com",
                                          "SRS0=abcd=TT=example.com=user@first.example",
                                          "SRS0=@x.example",
                                          "SRS0-@x.example",
                                          "SRS1=no=domain@x.example",
                                          "SRS1==@x.example",
                                          "-@example.com"};
    char out[SRS_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof senders / sizeof *senders; i++) {
        char const *const rewritten = forward(senders[i]);
        assert_non_null(rewritten);
        assert_int_equal(reverse_by(out, THE_KEYS, rewritten, NOW), SRS_OK);
        assert_string_equal(out, senders[i]);
    }
    assert_int_equal(reverse_by(out, THE_KEYS, vectors[5].rewritten, NOW), SRS_OK);
    assert_string_equal(out, "SRS0=abcd=TT=example.com=user@first.example");
    assert_int_equal(reverse_by(out, THE_KEYS, vectors[4].rewritten, NOW), SRS_OK);
    assert_string_equal(out, "SRS0+abcd=TT=example.com=user@first.example");
}

static void what_stays_as_it_is(void **state)
{
    char longest[ADDRESS_MAX] = "";
    (void)state;
    assert_null(forward(""));
    assert_null(forward("#@[]"));
    assert_null(forward("user@[192.0.2.1]"));
    assert_null(forward("user"));
    assert_null(forward("@example.com"));
    assert_null(forward("user@not a domain"));
    memset(longest, 'x', 213);
    memcpy(longest + 213, "@example.com", sizeof "@example.com");
    assert_non_null(forward(longest)); /* 254 with all */
    assert_int_equal(strlen(forward(longest)), ADDRESS_PATH_MAX - 2);
    memset(longest, 'x', 214);
    memcpy(longest + 214, "@example.com", sizeof "@example.com");
    assert_null(forward(longest));
    char out[SRS_SIZE];
    assert_false(
        srs_forward(out, &(struct secret_keys){.size = 0}, "user@example.com", DOMAIN, NOW));
}

static void an_address_ages(void **state)
{
    char rewritten[SRS_SIZE];
    (void)state;
    /* around the end of the 1024 days as well */
    for (time_t start = NOW; start < NOW + (time_t)1100 * DAY; start += (time_t)100 * DAY) {
        strcpy(rewritten, forward_at("user@example.com", start));
        for (int age = 0; age <= SRS_DAYS; age++)
            assert_int_equal(reverse_at(rewritten, start + (time_t)age * DAY), SRS_OK);
        assert_int_equal(reverse_at(rewritten, start - DAY), SRS_OK);
        assert_int_equal(reverse_at(rewritten, start - (time_t)2 * DAY), SRS_EXPIRED);
        assert_int_equal(reverse_at(rewritten, start + (time_t)(SRS_DAYS + 1) * DAY), SRS_EXPIRED);
        assert_int_equal(reverse_at(rewritten, start + (time_t)500 * DAY), SRS_EXPIRED);
    }
}

static void case_on_the_way(void **state)
{
    char out[SRS_SIZE];
    (void)state;
    assert_int_equal(
        reverse_by(out, THE_KEYS, "srs0=dejt=g3=example.com=user@forward.example", NOW), SRS_OK);
    assert_string_equal(out, "user@example.com");
    assert_int_equal(reverse("SRS0=DEJT=G3=EXAMPLE.COM=USER@FORWARD.EXAMPLE"), SRS_OK);
    assert_int_equal(reverse("sRs0+DeJt=G3=example.com=user@forward.example"), SRS_OK);
    assert_int_equal(reverse("SRS0-DeJt=G3=example.com=user@forward.example"), SRS_OK);
}

/* Of the hash more may be there than the least (other hosts are set so), never less. */
static void hashes(void **state)
{
    (void)state;
    assert_int_equal(reverse("SRS0=DeJu=G3=example.com=user"), SRS_FORGED);
    assert_int_equal(reverse("SRS0=DeJ=G3=example.com=user"), SRS_FORGED);
    assert_int_equal(reverse("SRS0==G3=example.com=user"), SRS_FORGED);
    assert_int_equal(reverse("SRS0=DeJtA=G3=example.com=user"), SRS_FORGED);
    assert_int_equal(reverse("SRS0=DeJtDeJtDeJtDeJtDeJtDeJtDeJtDeJt=G3=example.com=user"),
                     SRS_FORGED);
    assert_int_equal(reverse("SRS0=DeJt=G4=example.com=user"), SRS_FORGED);
    assert_int_equal(reverse("SRS0=DeJt=G3=example.com=users"), SRS_FORGED);
    assert_int_equal(reverse("SRS0=DeJt=G3=example.org=user"), SRS_FORGED);
    assert_int_equal(reverse("SRS1=DeJt=example.com==user"), SRS_FORGED);
    assert_int_equal(reverse("SRS1=Bkea=first.exampl==abcd=TT=example.com=user"), SRS_FORGED);
    assert_int_equal(reverse("SRS1=Bke=first.example==abcd=TT=example.com=user"), SRS_FORGED);
}

static void forms(void **state)
{
    static char const *const malformed[] = {"SRS0=",
                                            "SRS0==",
                                            "SRS0=DeJt",
                                            "SRS0=DeJt=",
                                            "SRS0=DeJt=G3",
                                            "SRS0=DeJt=G3=",
                                            "SRS0=DeJt=G3=example.com",
                                            "SRS0=DeJt=G3=example.com=",
                                            "SRS0=DeJt=G=example.com=user",
                                            "SRS0=DeJt=G33=example.com=user",
                                            "SRS0=DeJt=G1=example.com=user",
                                            "SRS0=DeJt=\xc3\xbc=example.com=user",
                                            "SRS0=DeJt=G3==user",
                                            "SRS0=DeJt=G3=a\nb=user",
                                            "SRS0=DeJt=G3=.=user",
                                            "SRS0=DeJt=G3=[192.0.2.1]=user",
                                            "SRS0=DeJt=G3=a@b=user",
                                            "SRS1=Bkea",
                                            "SRS1=Bkea=first.example",
                                            "SRS1=Bkea=first.example=",
                                            "SRS1=Bkea==x",
                                            "SRS2=DeJt=G3=example.com=user",
                                            "SRS0.DeJt=G3=example.com=user",
                                            "user",
                                            "SRS",
                                            ""};
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
        assert_int_equal(reverse(malformed[i]), SRS_FORM);
}

static void several_keys(void **state)
{
    char out[SRS_SIZE], old[SRS_SIZE];
    (void)state;
    struct secret_keys const *const both = KEYS("a newer secret\0tricky secret key");
    assert_true(srs_forward(out, both, "user@example.com", DOMAIN, NOW));
    assert_string_not_equal(out, vectors[0].rewritten);
    assert_int_equal(reverse_by(old, both, out, NOW), SRS_OK);
    assert_int_equal(reverse_by(old, both, vectors[0].rewritten, NOW), SRS_OK);
    assert_int_equal(reverse_by(old, THE_KEYS, out, NOW), SRS_FORGED);
    assert_int_equal(reverse_by(old, &(struct secret_keys){.size = 0}, out, NOW), SRS_FORGED);
}

/* --- the files --- */

static enum control_result load(struct folder *folder, struct srs_settings *settings)
{
    return srs_settings_load(settings, &folder->control, "me.example", &folder->error);
}

static void the_files(void **state)
{
    struct folder *const folder = *state;
    struct srs_settings settings;
    assert_int_equal(load(folder, &settings), CONTROL_OK);
    assert_false(secret_file_is_on(&settings.keys));
    assert_string_equal(settings.domain, "me.example");
    srs_settings_free(&settings);
    folder_write_bytes(folder, "srs", "# two\nfirst secret\nsecond secret\n", 33);
    folder_write_bytes(folder, "srsdomain", "SRS.example\n", 12);
    assert_int_equal(fchmodat(folder->control.directory, "srs", 0600, 0), 0);
    assert_int_equal(load(folder, &settings), CONTROL_OK);
    assert_true(secret_file_is_on(&settings.keys));
    assert_false(settings.keys.refused);
    assert_string_equal(settings.domain, "srs.example");
    assert_memory_equal(settings.keys.bytes, "first secret\0second secret", settings.keys.size);
    assert_int_equal(settings.keys.size, sizeof "first secret\0second secret");
    srs_settings_free(&settings);
}

static void a_key_that_others_may_read(void **state)
{
    static mode_t const modes[] = {0604, 0602, 0601, 0620, 0660, 0666};
    struct folder *const folder = *state;
    struct srs_settings settings;
    folder_write_bytes(folder, "srs", "a secret that is long\n", 22);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        assert_int_equal(fchmodat(folder->control.directory, "srs", modes[i], 0), 0);
        assert_int_equal(load(folder, &settings), CONTROL_OK);
        assert_true(settings.keys.refused && secret_file_is_on(&settings.keys));
        assert_int_equal(settings.keys.size, 0);
        srs_settings_free(&settings);
    }
}

static void keys_that_are_none(void **state)
{
    struct folder *const folder = *state;
    struct srs_settings settings;
    folder_write_bytes(folder, "srs", "a fine secret\nsecret7\n", 22);
    assert_int_equal(fchmodat(folder->control.directory, "srs", 0600, 0), 0);
    assert_int_equal(load(folder, &settings), CONTROL_ERROR);
    assert_non_null(strstr(folder->error.text, "srs:2: expected a key"));
    assert_null(strstr(folder->error.text, "secret7"));
    assert_null(strstr(folder->error.text, "fine"));
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(as_others_do),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(what_stays_as_it_is),
        cmocka_unit_test(an_address_ages),
        cmocka_unit_test(case_on_the_way),
        cmocka_unit_test(hashes),
        cmocka_unit_test(forms),
        cmocka_unit_test(several_keys),
        cmocka_unit_test_setup_teardown(the_files, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(a_key_that_others_may_read, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(keys_that_are_none, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
