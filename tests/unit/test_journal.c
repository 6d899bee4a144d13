/* Which file systems keep the order: on loop devices, in a mount namespace of our own. */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/journal.h"

static char folder[] = "/tmp/ekiden-journal-XXXXXX";

static bool run(char const *commands)
{
    char line[1024];
    snprintf(line, sizeof line,
             "export PATH=\"$PATH:/usr/sbin:/sbin\"; set -e; cd %s; { %s; } >/dev/null 2>&1",
             folder, commands);
    return system(line) == 0;
}

/* Of a disk that MAKE_AND_MOUNT has put at `m`. Skips where that cannot be. */
static bool keeps_order(char const *make_and_mount)
{
    char mounted[sizeof folder + 2];
    snprintf(mounted, sizeof mounted, "%s/m", folder);
    if (!run("truncate -s 24M disk") || !run(make_and_mount)) {
        run("losetup -d $(cat journal-device)");
        skip(); /* no loop devices, or no mkfs.ext4 */
    }
    int const descriptor = open(mounted, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool const keeps = journal_keeps_order(descriptor);
    close(descriptor);
    assert_int_equal(umount(mounted), 0);
    return keeps;
}

static void a_journal_of_its_own(void **state)
{
    (void)state;
    assert_true(keeps_order("mkfs.ext4 -qF disk; mount -o loop disk m"));
}

static void no_journal(void **state)
{
    (void)state;
    assert_false(keeps_order("mkfs.ext4 -qF -O ^has_journal disk; mount -o loop disk m"));
}

static void commits_that_wait_for_nothing(void **state)
{
    (void)state;
    assert_false(keeps_order("mkfs.ext4 -qF disk; mount -o "
                             "loop,data=writeback,journal_checksum,journal_async_commit disk m"));
}

/* Its commit does not flush the disk of what was added to a block that had been written before. */
static void a_journal_on_another_device(void **state)
{
    (void)state;
    assert_false(keeps_order(
        "truncate -s 16M journal; losetup -f --show journal > journal-device;"
        "mke2fs -qF -b 4096 -O journal_dev $(cat journal-device);"
        "mkfs.ext4 -qF -b 4096 -J device=$(cat journal-device) disk; mount -o loop disk m;"
        "losetup -d $(cat journal-device)")); /* when it is unmounted */
}

static void memory(void **state)
{
    (void)state;
    assert_false(keeps_order("mount -t tmpfs none m"));
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    if (getuid() != 0 || unshare(CLONE_NEWNS) != 0)
        return 0;
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && run("mkdir m") ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    run("rm -f disk journal journal-device; rmdir m || true");
    return rmdir(folder);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(a_journal_of_its_own),
        cmocka_unit_test(no_journal),
        cmocka_unit_test(commits_that_wait_for_nothing),
        cmocka_unit_test(a_journal_on_another_device),
        cmocka_unit_test(memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
