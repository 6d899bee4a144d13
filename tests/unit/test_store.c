#include "control_folder.h"

#include <sys/random.h>
#include <sys/wait.h>

#include "auth/remembered.h"

#define NOW     UINT64_C(1800000000000000)
#define RECORDS REMEMBERED_RECORDS

static struct store store;
static int directory;

static int open_store(void **state)
{
    if (folder_make(state) != 0)
        return -1;
    struct folder const *const folder = *state;
    directory = folder->control.directory;
    return store_open(&store, directory, &remembered_form, false) ? 0 : -1;
}

static int close_store(void **state)
{
    store_close(&store);
    return folder_remove(state);
}

static void make_key(struct store_key *key, unsigned int number)
{
    store_make_key(&store, key, 't', &number, sizeof number);
}

static bool put(unsigned int number, uint64_t until)
{
    struct store_key key;
    struct store_record const record = {{until, 0, number}};
    make_key(&key, number);
    return store_put(&store, REMEMBERED_ADDRESSES, &key, &record);
}

static uint64_t get(unsigned int number)
{
    struct store_key key;
    struct store_record record;
    make_key(&key, number);
    assert_true(store_get(&store, REMEMBERED_ADDRESSES, &key, &record));
    return record.times[0];
}

static size_t entries(void)
{
    MDB_stat status;
    assert_int_equal(mdb_stat(store.transaction, store.tables[REMEMBERED_ADDRESSES], &status), 0);
    return status.ms_entries;
}

static void test_keeps(void **state)
{
    struct store other;
    (void)state;
    assert_true(store_begin(&store, NOW));
    assert_int_equal(get(1), 0);
    assert_true(put(1, NOW + 5));
    assert_true(store_commit(&store));
    assert_true(store_begin(&store, NOW));
    assert_true(put(1, NOW + 7));
    store_abort(&store);
    assert_true(store_open(&other, directory, &remembered_form, false));
    store_close(&other);
    assert_true(store_begin(&store, NOW));
    assert_int_equal(get(1), NOW + 5);
    store_abort(&store);
    /* What is past, or lies further ahead than it can, is as good as not there. */
    assert_true(store_begin(&store, NOW + 5));
    assert_int_equal(get(1), 0);
    store_abort(&store);
    assert_true(store_begin(&store, NOW - 2 * STORE_DAY));
    assert_int_equal(get(1), 0);
    store_abort(&store);
}

/* However many come: the table does not grow over its bound, and what is worth nothing makes room.
 */
static void test_bounded(void **state)
{
    struct stat status;
    (void)state;
    assert_true(store_begin(&store, NOW));
    for (unsigned int i = 0; i < RECORDS + RECORDS / 8; i++)
        assert_true(put(i, NOW + STORE_HOUR + i));
    assert_int_equal(entries(), RECORDS);
    unsigned int late = 0;
    for (unsigned int i = RECORDS; i < RECORDS + RECORDS / 8; i++)
        late += get(i) != 0;
    assert_true(late > RECORDS / 16); /* new ones are not the ones that go */
    assert_true(store_commit(&store));
    assert_int_equal(stat("store", &status), 0);
    assert_true(status.st_size < 32 << 20);
    /* Two hours later: each new one takes several of the old away. */
    assert_true(store_begin(&store, NOW + 2 * STORE_HOUR));
    for (unsigned int i = 0; i < RECORDS / 4; i++)
        assert_true(put(1000000 + i, NOW + 3 * STORE_HOUR));
    assert_true(entries() < RECORDS / 2);
    assert_true(store_commit(&store));
}

/* One use of the store, in a process that may end by its damage. Returns its exit code. */
static int use_in_child(void)
{
    int status;
    fflush(NULL);
    pid_t const child = fork();
    if (child == 0) {
        int const null = open("/dev/null", O_WRONLY);
        if (dup2(null, 2) != 2) /* the log */
            _exit(3);
        /* cmocka has set handlers of its own since. */
        bool good =
            store_open(&store, directory, &remembered_form, false) && store_begin(&store, NOW);
        for (unsigned int i = 0; good && i < 40; i++) {
            struct store_key key;
            struct store_record record;
            make_key(&key, i * 25);
            good =
                store_get(&store, REMEMBERED_ADDRESSES, &key, &record) && put(5000 + i, NOW + 10);
        }
        _exit(good && store_commit(&store) ? 0 : 111);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* After each damage there is a store again, at the latest the third time. */
static void assert_recovers(void)
{
    for (unsigned int i = 0; i < 3; i++) {
        int const code = use_in_child();
        if (code == 0)
            return;
        assert_int_equal(code, 111);
    }
    fail_msg("the store stays unusable");
}

static void fill(void)
{
    unlink("store");
    assert_true(store_begin(&store, NOW));
    for (unsigned int i = 0; i < 1000; i++)
        assert_true(put(i, NOW + 1000));
    assert_true(store_commit(&store));
}

static void overwrite(off_t place, size_t length)
{
    unsigned char garbage[4096];
    int const file = open("store", O_WRONLY | O_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(getrandom(garbage, length, 0), length);
    assert_int_equal(pwrite(file, garbage, length, place), length);
    close(file);
}

static void test_damaged(void **state)
{
    struct stat status;
    (void)state;
    fill();
    assert_int_equal(stat("store", &status), 0);
    off_t const pages = status.st_size / 4096;
    for (off_t length = 0; length < status.st_size; length += length < 8192 ? 500 : 5000) {
        fill();
        assert_int_equal(truncate("store", length), 0);
        assert_recovers();
    }
#ifdef EKIDEN_SANITIZE
    return; /* LMDB does what a page says; where we set the file aside a sanitizer ends the process
             */
#endif
    for (off_t page = 0; page < pages; page++) {
        fill();
        overwrite(page * 4096, 4096);
        assert_recovers();
        fill();
        overwrite(page * 4096 + (page * 37) % 200, 16);
        assert_recovers();
    }
}

/* What stands in its place is not the store: nothing is lost but counts. */
static void test_not_a_file(void **state)
{
    (void)state;
    int const file = open("store", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, "not a database\n", 15), 15);
    close(file);
    assert_recovers();
    assert_int_equal(access("store.bad", F_OK), 0);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(test_keeps, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_bounded, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_damaged, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_not_a_file, open_store, close_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
