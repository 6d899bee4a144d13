#include "control_folder.h"

#include <errno.h>
#include <time.h>

#include "auth/passwords.h"

#define SHA "$5$abcdefgh$ZLdkj8mkc2XVSrPVjskDAgZPGjtj1VGVaa1aUkrMTU/" /* not of any password */
#define OTHER                                                                                      \
    "$6$abcdefgh$yVfUwsw5T.JApa8POvClA1pQ5peiq97DUNyXCZN5IrF.BMSkiaLZ5kvpuEm/VQ1Tvh/"              \
    "KV2TcaWh8qinoW5dhA1"

static struct passwords passwords;
static struct control_error failure;

/* The control folder FOLDER with its auth/passwords of TEXT. */
static enum control_result load(struct folder *folder, char const *text, mode_t mode)
{
    assert_true(mkdirat(folder->control.directory, "auth", 0700) == 0 || errno == EEXIST);
    int const file = openat(folder->control.directory, "auth/passwords",
                            O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(file, mode), 0);
    close(file);
    enum control_result result = passwords_open(&passwords, &folder->control, &failure);
    if (result == CONTROL_OK)
        result = passwords_load(&passwords, &failure);
    return result;
}

static int clear(void **state)
{
    struct folder *folder = *state;
    table_free(&passwords.table);
    control_close(&passwords.folder);
    unlinkat(folder->control.directory, "auth/passwords", 0);
    return folder_remove(state);
}

static void assert_find(char const *login, enum passwords_found expected, char const *hash)
{
    char found[HASH_MAX];
    assert_int_equal(passwords_find(&passwords, login, found, &failure), expected);
    assert_string_equal(found, hash);
}

static void test_find(void **state)
{
    assert_int_equal(
        load(*state, "# people\n\nAlice:" SHA "\n  bob@example.org:" OTHER "  \nalice:" OTHER "\n",
             0600),
        CONTROL_OK);
    assert_find("alice", PASSWORDS_FOUND, SHA);
    assert_find("bob@example.org", PASSWORDS_FOUND, OTHER);
    assert_find("carol", PASSWORDS_UNKNOWN, SHA);
    assert_find("", PASSWORDS_UNKNOWN, SHA);
}

/* What is wrong with one line is nobody else's matter. */
static void test_refused_lines(void **state)
{
    assert_int_equal(load(*state,
                          "nothing\nold:$1$abcdefgh$Mq/JjXQyZAmSjqr5LuY4B0\ndes:abJnggxhB/yWI\n"
                          "off:!\nempty:\nblank:$5$a b\nlong name:" SHA "\nalice:" SHA "\n",
                          0600),
                     CONTROL_OK);
    assert_find("alice", PASSWORDS_FOUND, SHA);
    assert_find("nothing", PASSWORDS_UNKNOWN, SHA);
    assert_find("long", PASSWORDS_UNKNOWN, SHA);
    assert_find("old", PASSWORDS_REFUSED, SHA);
    assert_non_null(strstr(failure.text, "/auth/passwords:2: "));
    assert_non_null(strstr(failure.text, "MD5"));
    assert_find("des", PASSWORDS_REFUSED, SHA);
    assert_non_null(strstr(failure.text, "/auth/passwords:3: "));
    assert_find("off", PASSWORDS_REFUSED, SHA);
    assert_find("empty", PASSWORDS_REFUSED, SHA);
    assert_find("blank", PASSWORDS_REFUSED, SHA);
    assert_null(strstr(failure.text, "$5$a"));
}

static void test_nobody(void **state)
{
    struct folder *folder = *state;
    assert_int_equal(passwords_open(&passwords, &folder->control, &failure), CONTROL_ABSENT);
    assert_find("alice", PASSWORDS_UNKNOWN, HASH_DUMMY);
    assert_int_equal(load(folder, "# nobody yet\n", 0600), CONTROL_OK);
    assert_find("alice", PASSWORDS_UNKNOWN, HASH_DUMMY);
}

static void test_modes(void **state)
{
    struct folder *folder = *state;
    assert_int_equal(load(folder, "alice:" SHA "\n", 0640), CONTROL_ERROR);
    assert_non_null(strstr(failure.text, "/auth/passwords: mode 0640"));
    assert_non_null(strstr(failure.text, "chmod 600"));
    control_close(&passwords.folder);
    assert_int_equal(fchmodat(folder->control.directory, "auth", 0750, 0), 0);
    assert_int_equal(load(folder, "alice:" SHA "\n", 0600), CONTROL_ERROR);
    assert_non_null(strstr(failure.text, "chmod 700"));
    assert_int_equal(fchmodat(folder->control.directory, "auth", 0700, 0), 0);
}

static void test_logins(void **state)
{
    static char const *const bad[] = {"",    " ",     "a b",  "a:b",   "#a",
                                      "a\n", "a\x7f", "\x01", "a\xff", "\xc0\x80"};
    char login[LOGIN_MAX + 1], name[LOGIN_MAX + 1];
    (void)state;
    assert_true(login_read(login, "Alice@Example.ORG", 17));
    assert_string_equal(login, "alice@example.org");
    assert_true(login_read(login, "\xc3\x84rger", 6));
    assert_string_equal(login, "\xc3\x84rger");
    assert_false(login_read(login, "a\0b", 3));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(login_read(login, bad[i], strlen(bad[i])));
    memset(name, 'x', sizeof name);
    assert_true(login_read(login, name, LOGIN_MAX));
    assert_false(login_read(login, name, LOGIN_MAX + 1));
}

static void test_hashes(void **state)
{
    char hash[HASH_MAX], again[HASH_MAX];
    (void)state;
    assert_true(hash_make(hash, "correct horse"));
    assert_true(hash_make(again, "correct horse"));
    assert_string_not_equal(hash, again);
    assert_int_equal(strncmp(hash, "$y$", 3), 0);
    assert_null(hash_refusal(hash, strlen(hash)));
    assert_int_equal(hash_check("correct horse", hash), HASH_RIGHT);
    assert_int_equal(hash_check("correct horsf", hash), HASH_WRONG);
    assert_int_equal(hash_check("", hash), HASH_WRONG);
    assert_int_equal(hash_check("x", "$5$abcdefgh$9Jl"), HASH_WRONG); /* cut */
    assert_int_equal(hash_check("x", "$y$"), HASH_FAILED);
    /* The dummy is of the kind and cost of a new one. */
    assert_int_equal(strlen(hash), strlen(HASH_DUMMY));
    assert_int_equal(strncmp(hash, HASH_DUMMY, 7), 0);
    assert_int_equal(hash_check("correct horse", HASH_DUMMY), HASH_WRONG);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Printed for the eye: where two hashes differ must not show. */
static void test_equal(void **state)
{
    static char const one[] = HASH_DUMMY;
    char early[sizeof one], late[sizeof one];
    double taken[2] = {0, 0};
    (void)state;
    memcpy(early, one, sizeof one);
    memcpy(late, one, sizeof one);
    early[0] ^= 1;
    late[sizeof one - 2] ^= 1;
    assert_true(hash_equal(one, one, sizeof one));
    for (unsigned int round = 0; round < 50; round++)
        for (unsigned int which = 0; which < 2; which++) {
            double const begin = seconds();
            for (unsigned int i = 0; i < 1000; i++)
                assert_false(hash_equal(one, which ? late : early, sizeof one));
            taken[which] += seconds() - begin;
        }
    print_message("# differing at once %.1f ns, at the end %.1f ns\n", taken[0] * 2e4,
                  taken[1] * 2e4);
    assert_true(hash_equal(one, early, 0));
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(test_find, folder_make, clear),
        cmocka_unit_test_setup_teardown(test_refused_lines, folder_make, clear),
        cmocka_unit_test_setup_teardown(test_nobody, folder_make, clear),
        cmocka_unit_test_setup_teardown(test_modes, folder_make, clear),
        cmocka_unit_test(test_logins),
        cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
