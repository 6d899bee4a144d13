/* An error of a sync is told for the file that had it, in whichever of its steps. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "deliver/durable.h"

#define FILES 16 /* enough for syncfs */

static int broken = -1;           /* the file that fails */
static unsigned int broken_flags; /* when it is called with these */

/* In place of the system's: fails once, as ext4 does for bytes that it has thrown away. */
int sync_file_range(int descriptor, off_t offset, off_t count, unsigned int flags)
{
    (void)offset;
    (void)count;
    if (descriptor != broken || flags != broken_flags)
        return 0;
    broken = -1;
    errno = EBADMSG;
    return -1;
}

static void check(bool in_order, bool whole_sync, unsigned int flags)
{
    struct durable entries[FILES];
    for (int i = 0; i < FILES; i++)
        entries[i] = (struct durable){.descriptor = memfd_create("file", MFD_CLOEXEC),
                                      .whole_sync = whole_sync,
                                      .in_order = in_order};
    broken = entries[1].descriptor;
    broken_flags = flags;
    durable_sync(entries, FILES);
    for (int i = 0; i < FILES; i++) {
        assert_int_equal(entries[i].error, i == 1 ? EBADMSG : 0);
        close(entries[i].descriptor);
    }
}

static void the_start_fails(void **state)
{
    (void)state;
    check(false, false, SYNC_FILE_RANGE_WRITE);
    check(false, true, SYNC_FILE_RANGE_WRITE);
    check(true, true, SYNC_FILE_RANGE_WRITE);
}

static void the_wait_fails(void **state)
{
    (void)state;
    check(true, true,
          SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(the_start_fails),
        cmocka_unit_test(the_wait_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
