#include "lib/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/store_file.h"
#include "lib/store_lock.h"

#define LOCK_FILE  "lock"
#define SECRET_KEY "secret"

bool store_open(struct store *store, int directory, struct store_form const *form, bool read_only)
{
    *store = (struct store){.form = form, .lock = -1, .read_only = read_only};
    int const flags = read_only ? O_RDONLY : O_RDWR | O_CREAT;
    if (fchdir(directory) == 0)
        store->lock = open(LOCK_FILE, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (store->lock < 0 && !(read_only && errno == ENOENT)) {
        log_failure("store-failed",
                    read_only ? "the state folder cannot be read"
                              : "the state folder (-S) cannot be written to",
                    errno);
        return false;
    }
    store_file_name(store);
    store_file_catch();
    return true;
}

/* --- the file --- */

static int close_env(struct store *store, void *argument)
{
    (void)argument;
    if (store->transaction)
        mdb_txn_abort(store->transaction);
    store->transaction = NULL;
    if (store->env)
        mdb_env_close(store->env);
    store->env = NULL;
    return 0;
}

static void close_file(struct store *store)
{
    if (!store->given_up)
        (void)store_file_guard(store, close_env, NULL);
    store->transaction = NULL;
    store->env = NULL;
}

void store_close(struct store *store)
{
    close_file(store);
    if (store->lock >= 0)
        close(store->lock);
    store->lock = -1;
}

/* Errors of LMDB's own are about the file; positive ones are the system's: no memory, no room. */
static bool is_damage(int result)
{
    return result < 0;
}

bool store_file_fail(struct store *store, int result)
{
    close_file(store);
    if (is_damage(result) && !store->given_up)
        store_file_set_aside(store, mdb_strerror(result));
    else if (!is_damage(result))
        log_failure("store-failed", "what is remembered cannot be read or written", result);
    store_lock_release(store);
    return false;
}

/* The secret of the file; a new file gets one. */
static int find_secret(struct store *store)
{
    MDB_dbi main;
    MDB_val key = {sizeof SECRET_KEY - 1, (void *)SECRET_KEY}, value;
    int result = mdb_dbi_open(store->transaction, NULL, 0, &main);
    if (result == 0)
        result = mdb_get(store->transaction, main, &key, &value);
    if (result == 0 && value.mv_size != STORE_SECRET)
        return MDB_INVALID;
    if (result == 0)
        memcpy(store->secret, value.mv_data, STORE_SECRET);
    if (result != MDB_NOTFOUND || store->read_only)
        return result;
    if (getrandom(store->secret, STORE_SECRET, 0) != STORE_SECRET)
        return errno;
    value = (MDB_val){STORE_SECRET, store->secret};
    return mdb_put(store->transaction, main, &key, &value, 0);
}

static int open_tables(struct store *store)
{
    int result = find_secret(store);
    if (store->read_only && result == MDB_NOTFOUND)
        return 0;
    for (size_t i = 0; result == 0 && i < store->form->table_count; i++) {
        result = mdb_dbi_open(store->transaction, store->form->tables[i].name,
                              store->read_only ? 0 : MDB_CREATE, &store->tables[i]);
        if (store->read_only && result == MDB_NOTFOUND)
            result = 0;
    }
    return result;
}

static int open_env(struct store *store)
{
    /* Where there is a sync it makes the data durable before a root points to it: a power cut may
     * take back the last transaction, never more. */
    unsigned int const flags = MDB_NOSUBDIR | MDB_NOLOCK | MDB_NORDAHEAD |
                               (store->synced ? MDB_NOMETASYNC : MDB_NOSYNC) |
                               (store->read_only ? MDB_RDONLY : 0);
    int result = mdb_env_create(&store->env);
    if (result == 0)
        result = mdb_env_set_maxdbs(store->env, (MDB_dbi)store->form->table_count);
    if (result == 0)
        result = mdb_env_set_mapsize(store->env, store->form->space);
    if (result == 0)
        result = store_file_catch_assertions(store->env);
    if (result == 0)
        result = mdb_env_open(store->env, store->file, flags, 0600);
    return result;
}

static int begin(struct store *store, void *argument)
{
    bool const is_new = !store->env;
    int result = is_new ? open_env(store) : 0;
    (void)argument;
    if (result == 0)
        result =
            mdb_txn_begin(store->env, NULL, store->read_only ? MDB_RDONLY : 0, &store->transaction);
    memset(store->tables, 0, is_new ? sizeof store->tables : 0);
    if (result == 0 && is_new)
        result = open_tables(store);
    /* Numbers of tables are valid for other transactions once the one that opened them has ended
     * well. */
    if (result == 0 && is_new) {
        result = mdb_txn_commit(store->transaction);
        store->transaction = NULL;
        if (result == 0)
            result = mdb_txn_begin(store->env, NULL, store->read_only ? MDB_RDONLY : 0,
                                   &store->transaction);
    }
    return result;
}

/* What has the file's name may be another one than we have open: somebody set ours aside. */
static int begin_on_file(struct store *store)
{
    int descriptor = -1;
    bool same;
    if (store->env)
        (void)mdb_env_get_fd(store->env, &descriptor);
    enum store_file const found = store_file_look(store, descriptor, &same);
    if (!same)
        close_file(store);
    if (found == STORE_FILE_ODD) {
        store_file_set_aside(store, "something else has the name of the file");
        if (store->read_only)
            return ENOENT;
    }
    if (found == STORE_FILE_ABSENT && store->read_only)
        return ENOENT;
    if (found == STORE_FILE_ABSENT)
        store_file_remove_former(store);
    return store_file_guard(store, begin, NULL);
}

bool store_begin(struct store *store, uint64_t now)
{
    store->now = now;
    if (store->given_up)
        return false;
    if (store->lock < 0) /* read only, and there is none yet */
        return true;
    if (!store_lock_take(store)) {
        log_failure("store-failed", "the lock", errno == EINTR ? ETIMEDOUT : errno);
        return false;
    }
    int result = begin_on_file(store);
    if (is_damage(result) && !store->given_up && !store->read_only) {
        close_file(store);
        store_file_set_aside(store, mdb_strerror(result));
        result = begin_on_file(store);
    }
    if (store->read_only && result == ENOENT) {
        close_file(store);
        return true;
    }
    return result == 0 || store_file_fail(store, result);
}

/* --- the end --- */

static int commit(struct store *store, void *argument)
{
    MDB_txn *const transaction = store->transaction;
    (void)argument;
    store->transaction = NULL;
    return mdb_txn_commit(transaction);
}

bool store_commit(struct store *store)
{
    int const result = store_file_guard(store, commit, NULL);
    if (result != 0)
        return store_file_fail(store, result);
    store_lock_release(store);
    return true;
}

static int abort_transaction(struct store *store, void *argument)
{
    (void)argument;
    if (store->transaction)
        mdb_txn_abort(store->transaction);
    store->transaction = NULL;
    return 0;
}

void store_abort(struct store *store)
{
    (void)store_file_guard(store, abort_transaction, NULL);
    store_lock_release(store);
}
