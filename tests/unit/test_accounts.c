/* Reading /etc/passwd when that goes wrong. What is found in it is the matter of test_routing. */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/accounts.h"

enum { REFUSED = 0, LOADED = 1, SKIPPED = 2 };

/* In a process with mounts of its own: whose every read of /etc/passwd fails (EIO, as address 0 of
 * a process). */
static int load_from_broken_file(struct control const *control)
{
    struct accounts accounts = ACCOUNTS_ZERO;
    struct control_error error;
    char path[32], byte;
    snprintf(path, sizeof path, "/proc/%d/mem", (int)getpid());
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return SKIPPED;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount(path, "/etc/passwd", NULL, MS_BIND, NULL) != 0)
        return SKIPPED;
    int const file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    if (file < 0 || read(file, &byte, 1) >= 0)
        return SKIPPED;
    close(file);
    bool const refused = accounts_load(&accounts, control, &error) == CONTROL_ERROR;
    accounts_free(&accounts);
    return refused ? REFUSED : LOADED;
}

static void test_a_file_that_cannot_be_read_has_no_end(void **state)
{
    char folder[] = "/tmp/ekiden-accounts-XXXXXX", path[64];
    struct control control;
    struct control_error error;
    int status;
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/systemusers", folder);
    FILE *const file = fopen(path, "w");
    assert_non_null(file);
    fputs("*\n", file);
    fclose(file);
    assert_int_equal(control_open(&control, folder, &error), CONTROL_OK);
    pid_t const pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(load_from_broken_file(&control));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    control_close(&control);
    unlink(path);
    rmdir(folder);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == SKIPPED)
        skip();
    assert_int_equal(WEXITSTATUS(status), REFUSED);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(test_a_file_that_cannot_be_read_has_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
