/* deliver/remote_credentials.h: passwords for other servers. */
#include "control_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include "deliver/remote_credentials.h"

static enum control_result load_mode(struct folder *folder, struct remote_credentials *credentials,
                                     char const *text, mode_t mode)
{
    folder_write(folder, "authroutes", text);
    assert_int_equal(fchmodat(folder->control.directory, "authroutes", mode, 0), 0);
    *credentials = (struct remote_credentials){.bytes = NULL};
    return remote_credentials_load(credentials, &folder->control, &folder->error);
}

static void assert_found(struct remote_credentials const *credentials, char const *reference,
                         char const *user, char const *password)
{
    char const *found_user, *found_password;
    if (!remote_credentials_find(credentials, reference, &found_user, &found_password))
        fail_msg("%s is not there", reference);
    assert_string_equal(found_user, user);
    assert_string_equal(found_password, password);
}

static char const lines[] = "# comment\n"
                            "isp:ann@isp.example:p:a ss:\n"
                            "Second.one@x-y_z:b\303\266rt:#1\n"
                            "last:u: blank before";

static void what_is_there_is_found(void **state)
{
    struct remote_credentials credentials;
    char const *user, *password;
    assert_int_equal(load_mode(*state, &credentials, lines, 0600), CONTROL_OK);
    assert_found(&credentials, "isp", "ann@isp.example", "p:a ss:");
    assert_found(&credentials, "Second.one@x-y_z", "b\303\266rt", "#1");
    assert_found(&credentials, "last", "u", " blank before");
    assert_false(remote_credentials_find(&credentials, "ISP", &user, &password));
    assert_false(remote_credentials_find(&credentials, "ann@isp.example", &user, &password));
    assert_false(remote_credentials_find(&credentials, "", &user, &password));
    assert_false(credentials.refused);
    remote_credentials_free(&credentials);
    assert_false(remote_credentials_find(&credentials, "isp", &user, &password));
}

static void without_a_file_there_are_none(void **state)
{
    struct folder *const folder = *state;
    struct remote_credentials credentials = {.bytes = NULL};
    char const *user, *password;
    assert_int_equal(remote_credentials_load(&credentials, &folder->control, &folder->error),
                     CONTROL_ABSENT);
    assert_false(remote_credentials_find(&credentials, "isp", &user, &password));
    remote_credentials_free(&credentials);
}

static void what_others_may_read_is_refused(void **state)
{
    static mode_t const modes[] = {0640, 0604, 0620, 0602, 0610, 0601, 0644, 0666};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        struct remote_credentials credentials;
        char const *user, *password;
        assert_int_equal(load_mode(*state, &credentials, lines, modes[i]), CONTROL_OK);
        assert_true(credentials.refused);
        assert_false(remote_credentials_find(&credentials, "isp", &user, &password));
    }
}

static void malformed_lines_are_refused_and_not_shown(void **state)
{
    static char const *const cases[] = {
        "SECRET",           "isp:SECRET",         ":ann:SECRET",       "isp::SECRET",
        "SECRET:ann:",      "a b:ann:SECRET",     "isp:a\001n:SECRET", "isp:ann:SEC\tRET",
        "isp:ann:SECRET\r", "isp:ann:SE\177CRET", "twice:ann:SECRET",
    };
    struct folder *const folder = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct remote_credentials credentials;
        char text[128];
        snprintf(text, sizeof text, "twice:ann:one\n%s\n", cases[i]);
        if (load_mode(folder, &credentials, text, 0600) != CONTROL_ERROR)
            fail_msg("taken: %s", cases[i]);
        if (!strstr(folder->error.text, "/authroutes:2: expected ") ||
            strstr(folder->error.text, "SEC") || strstr(folder->error.text, "RET"))
            fail_msg("%s", folder->error.text);
    }
}

static bool has(struct remote_credentials const *credentials, char const *text, size_t room)
{
    return memmem(credentials->bytes, room, text, strlen(text)) != NULL;
}

static void only_what_is_needed_is_kept(void **state)
{
    struct remote_credentials credentials;
    char const *user, *password;
    static struct {
        char const *reference, *user, *password;
    } const cases[] = {
        {"isp", "ann@isp.example", "p:a ss:"}, {"last", "u", " blank before"}, {"", "", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(load_mode(*state, &credentials, lines, 0600), CONTROL_OK);
        size_t const room = credentials.size;
        remote_credentials_keep(&credentials, cases[i].reference);
        assert_int_equal(has(&credentials, "p:a ss", room), i == 0);
        assert_int_equal(has(&credentials, "blank", room), i == 1);
        assert_false(has(&credentials, "#1", room));
        if (*cases[i].reference)
            assert_found(&credentials, cases[i].reference, cases[i].user, cases[i].password);
        assert_false(remote_credentials_find(&credentials, "Second.one@x-y_z", &user, &password));
        remote_credentials_free(&credentials);
    }
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(what_is_there_is_found, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(without_a_file_there_are_none, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(what_others_may_read_is_refused, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(malformed_lines_are_refused_and_not_shown, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(only_what_is_needed_is_kept, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
