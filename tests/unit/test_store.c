#include "control_folder.h"

#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "auth/remembered.h"

#define NOW     UINT64_C(1800000000000000)
#define RECORDS REMEMBERED_RECORDS

static struct store store;
static int directory;
static struct store_form form; /* ekiden-auth's, but without its syncs */

static int open_store(void **state)
{
    if (folder_make(state) != 0)
        return -1;
    struct folder const *const folder = *state;
    directory = folder->control.directory;
    form = remembered_form;
    form.until_boot = true;
    return store_open(&store, directory, &form, false) ? 0 : -1;
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
    assert_true(store_open(&other, directory, &form, false));
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
    assert_int_equal(stat(store.file, &status), 0);
    assert_true(status.st_size < 32 << 20);
    /* Two hours later: each new one takes several of the old away. */
    assert_true(store_begin(&store, NOW + 2 * STORE_HOUR));
    for (unsigned int i = 0; i < RECORDS / 4; i++)
        assert_true(put(1000000 + i, NOW + 3 * STORE_HOUR));
    assert_true(entries() < RECORDS / 2);
    assert_true(store_commit(&store));
}

enum { FAILED = 110, ENDED = 111 };

/* One use of the store, in a process that may end by its damage where the heap is broken, too.
 * Returns its exit code. */
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
        bool good = store_open(&store, directory, &form, false) && store_begin(&store, NOW);
        for (unsigned int i = 0; good && i < 40; i++) {
            struct store_key key;
            struct store_record record;
            make_key(&key, i * 25);
            good =
                store_get(&store, REMEMBERED_ADDRESSES, &key, &record) && put(5000 + i, NOW + 10);
        }
        _exit(good && store_commit(&store) ? 0 : FAILED);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static unsigned int ended;

/* After each damage there is a store again, at the latest the third time. */
static void assert_recovers(void)
{
    for (unsigned int i = 0; i < 3; i++) {
        int const code = use_in_child();
        if (code == 0)
            return;
        assert_true(code == FAILED || code == ENDED);
        ended += code == ENDED;
    }
    fail_msg("the store stays unusable");
}

static void fill(void)
{
    unlink(store.file);
    assert_true(store_begin(&store, NOW));
    for (unsigned int i = 0; i < 1000; i++)
        assert_true(put(i, NOW + 1000));
    assert_true(store_commit(&store));
}

static void overwrite(off_t place, size_t length)
{
    unsigned char garbage[4096];
    int const file = open(store.file, O_WRONLY | O_CLOEXEC);
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
    assert_int_equal(stat(store.file, &status), 0);
    off_t const pages = status.st_size / 4096;
    for (off_t length = 0; length < status.st_size; length += length < 8192 ? 500 : 5000) {
        fill();
        assert_int_equal(truncate(store.file, length), 0);
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
    assert_true(ended * 4 < pages); /* mostly they go on */
}

/* What stands in its place is not the store: nothing is lost but counts. */
static void test_not_a_file(void **state)
{
    (void)state;
    int const file = open(store.file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, "not a database\n", 15), 15);
    close(file);
    assert_recovers();
    assert_int_equal(access("store.bad", F_OK), 0);
}

static int log_to(char const *path)
{
    int const saved = dup(2), file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(saved >= 0 && file >= 0 && dup2(file, 2) == 2);
    close(file);
    return saved;
}

static void log_back(int saved)
{
    assert_int_equal(dup2(saved, 2), 2);
    close(saved);
}

/* A file that is cut while it is open: the process goes on, and gives the store up. */
static void cut_while_open(void)
{
    struct store_key key;
    struct store_record record;
    /* cmocka has set handlers of its own since */
    bool good = store_open(&store, directory, &form, false) && store_begin(&store, NOW) &&
                truncate(store.file, 8192) == 0 && log_to("log") > 2;
    for (unsigned int i = 0; good && i < 1000; i += 10) {
        make_key(&key, i);
        good = store_get(&store, REMEMBERED_ADDRESSES, &key, &record);
    }
    if (good || !store.given_up || store_begin(&store, NOW))
        _exit(1);
    store_close(&store);
    _exit(0);
}

static void test_cut_while_open(void **state)
{
    int status;
    (void)state;
    fill();
    fflush(NULL);
    pid_t const child = fork();
    if (child == 0)
        cut_while_open();
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(access("store.bad", F_OK), 0);
    assert_int_equal(use_in_child(), 0);
}

/* What another version wrote is worth nothing, and is replaced. */
static void test_other_records(void **state)
{
    static char const others[] = "a record of another time, and longer than ours";
    struct store_key key;
    (void)state;
    assert_true(store_begin(&store, NOW));
    for (unsigned int i = 1; i < sizeof others; i++) {
        MDB_val sought = {STORE_KEY, key.bytes}, value = {i, (void *)(uintptr_t)others};
        if (i == sizeof(struct store_record))
            continue;
        make_key(&key, i);
        assert_int_equal(
            mdb_put(store.transaction, store.tables[REMEMBERED_ADDRESSES], &sought, &value, 0), 0);
    }
    assert_true(store_commit(&store));
    assert_true(store_begin(&store, NOW));
    for (unsigned int i = 1; i < sizeof others; i++) {
        assert_int_equal(get(i), 0);
        assert_true(put(i, NOW + i));
        assert_int_equal(get(i), NOW + i);
    }
    assert_true(store_commit(&store));
}

static struct store_table const small_tables[] = {{"small", STORE_DAY, 1u << 20}};
static struct store_form const small = {.file = "small",
                                        .lock = 1,
                                        .space = 256u << 10,
                                        .patience = 100,
                                        .until_boot = true,
                                        .table_count = 1,
                                        .tables = small_tables};

static bool put_small(struct store *other, unsigned int number)
{
    struct store_key key;
    struct store_record const record = {{NOW + 5, 0, number}};
    store_make_key(other, &key, 't', &number, sizeof number);
    return store_begin(other, NOW) && store_put(other, 0, &key, &record) && store_commit(other);
}

/* No room in the file's bound: it is set aside, and another one begins. */
static void test_map_full(void **state)
{
    struct store other;
    unsigned int number = 0;
    (void)state;
    assert_true(store_open(&other, directory, &small, false));
    int const saved = log_to("log");
    while (number < 100000 && put_small(&other, number))
        number++;
    bool const again = put_small(&other, number);
    log_back(saved);
    assert_in_range(number, 100, 99999);
    assert_true(again);
    assert_false(other.given_up);
    assert_int_equal(access("small.bad", F_OK), 0);
    store_close(&other);
}

/* No room on the disk: nothing is set aside, and it goes on when there is. */
static void test_no_room(void **state)
{
    struct rlimit limit, before;
    struct store other;
    (void)state;
    assert_true(store_open(&other, directory, &small, false));
    assert_true(put_small(&other, 0));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){65536, before.rlim_max};
    int const saved = log_to("log");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    unsigned int number = 1;
    while (number < 100000 && put_small(&other, number))
        number++;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    log_back(saved);
    assert_in_range(number, 2, 99999);
    assert_true(put_small(&other, number));
    assert_int_equal(access("small.bad", F_OK), -1);
    store_close(&other);
}

/* Somebody who hangs with the lock holds up nobody for ever. */
static void test_patience(void **state)
{
    struct store other, holder;
    (void)state;
    assert_true(store_open(&other, directory, &small, false));
    assert_true(store_open(&holder, directory, &small, false));
    assert_true(store_lock_byte(&holder, small.lock, false));
    int const saved = log_to("log");
    bool const good = put_small(&other, 1);
    log_back(saved);
    assert_false(good);
    store_close(&holder);
    assert_true(put_small(&other, 1));
    store_close(&other);
}

static void test_until_boot(void **state)
{
    static char const *const others[] = {"small-", "small-1b0a1c2d", "small.bad", "smaller", "x"};
    struct store other;
    (void)state;
    assert_true(store_open(&other, directory, &small, false));
    if (other.synced) {
        store_close(&other);
        skip(); /* the id of the boot cannot be read here */
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        close(open(others[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    assert_true(put_small(&other, 1));
    assert_int_equal(access(other.file, F_OK), 0);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(access(others[i], F_OK), i < 2 ? -1 : 0);
    store_close(&other);
}

/* Links and the like are not followed, and not waited for. */
static void test_odd_files(void **state)
{
    (void)state;
    int const saved = log_to("log");
    assert_int_equal(symlink("elsewhere", store.file), 0);
    int const link = use_in_child();
    unlink(store.file);
    assert_int_equal(mkfifo(store.file, 0600), 0);
    int const fifo = use_in_child();
    unlink(store.file);
    assert_int_equal(mkdir(store.file, 0700), 0);
    unlink("store.bad");
    int const folder = use_in_child();
    log_back(saved);
    assert_int_equal(link, 0);
    assert_int_equal(access("elsewhere", F_OK), -1);
    assert_int_equal(fifo, 0);
    assert_int_equal(folder, 0);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(test_keeps, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_bounded, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_damaged, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_not_a_file, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_cut_while_open, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_other_records, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_map_full, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_no_room, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_patience, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_until_boot, open_store, close_store),
        cmocka_unit_test_setup_teardown(test_odd_files, open_store, close_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
