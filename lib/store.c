#include "lib/store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/time.h>
#include <unistd.h>

#include <bearssl.h>

#include "lib/log.h"
#include "lib/store_file.h"

#define LOCK_FILE  "lock"
#define LOOKED_AT  8 /* records, when one is added */
#define SECRET_KEY "secret"
#define TICK       50000 /* microseconds */

static void on_tick(int number)
{
    (void)number;
}

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

/* --- locks --- */

static bool set_lock(struct store const *store, unsigned int number, short type, int command)
{
    struct flock lock = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)number, .l_len = 1};
    return fcntl(store->lock, command, &lock) == 0;
}

bool store_lock_byte(struct store const *store, unsigned int number, bool wait)
{
    bool locked;
    do
        locked = set_lock(store, number, F_WRLCK, wait ? F_OFD_SETLKW : F_OFD_SETLK);
    while (!locked && errno == EINTR);
    return locked;
}

/* Waits by a timer that goes on ticking: a single signal could come just before the call. */
static bool lock_for(struct store const *store, short type, unsigned int milliseconds)
{
    struct sigaction const action = {.sa_handler = on_tick};
    struct itimerval const ticks = {{0, TICK}, {0, TICK}}, none = {{0, 0}, {0, 0}};
    struct sigaction before;
    bool locked = false;
    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &ticks, NULL);
    for (unsigned int waited = 0; !locked && waited < milliseconds; waited += TICK / 1000) {
        locked = set_lock(store, store->form->lock, type, F_OFD_SETLKW);
        if (!locked && errno != EINTR)
            break;
    }
    int const error = errno;
    setitimer(ITIMER_REAL, &none, NULL);
    sigaction(SIGALRM, &before, NULL);
    errno = error;
    return locked;
}

static bool lock_store(struct store const *store)
{
    short const type = store->read_only ? F_RDLCK : F_WRLCK;
    if (!store->form->patience)
        return store_lock_byte(store, store->form->lock, true);
    return set_lock(store, store->form->lock, type, F_OFD_SETLK) ||
           ((errno == EAGAIN || errno == EACCES) && lock_for(store, type, store->form->patience));
}

static void unlock(struct store const *store)
{
    (void)set_lock(store, store->form->lock, F_UNLCK, F_OFD_SETLK);
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

static bool fail(struct store *store, int result)
{
    close_file(store);
    if (is_damage(result) && !store->given_up)
        store_file_set_aside(store, mdb_strerror(result));
    else if (!is_damage(result))
        log_failure("store-failed", "what is remembered cannot be read or written", result);
    unlock(store);
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
    if (!lock_store(store)) {
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
    return result == 0 || fail(store, result);
}

void store_make_key(struct store const *store, struct store_key *key, char kind, void const *bytes,
                    size_t length)
{
    br_hmac_key_context secret;
    br_hmac_context hash;
    br_hmac_key_init(&secret, &br_sha256_vtable, store->secret, sizeof store->secret);
    br_hmac_init(&hash, &secret, sizeof key->bytes);
    br_hmac_update(&hash, &kind, 1);
    br_hmac_update(&hash, bytes, length);
    br_hmac_out(&hash, key->bytes);
}

/* --- records --- */

struct access {
    unsigned int table;
    struct store_key const *key;
    struct store_record *record; /* read */
    struct store_record const *written;
};

/* The latest time of VALUE; 0 when it is past, or cannot be. */
static uint64_t worth(struct store const *store, unsigned int table, MDB_val const *value)
{
    struct store_record record;
    uint64_t latest = 0;
    if (value->mv_size != sizeof record)
        return 0;
    memcpy(&record, value->mv_data, sizeof record);
    for (size_t i = 0; i < sizeof record.times / sizeof *record.times; i++)
        if (record.times[i] > latest)
            latest = record.times[i];
    return latest > store->now && latest - store->now <= store->form->tables[table].longest ? latest
                                                                                            : 0;
}

static int get(struct store *store, void *argument)
{
    struct access *const access = argument;
    MDB_val sought = {STORE_KEY, (void *)access->key->bytes}, value;
    int const result = mdb_get(store->transaction, store->tables[access->table], &sought, &value);
    if (result == 0 && worth(store, access->table, &value))
        memcpy(access->record, value.mv_data, sizeof *access->record);
    return result == MDB_NOTFOUND ? 0 : result;
}

bool store_get(struct store *store, unsigned int table, struct store_key const *key,
               struct store_record *record)
{
    struct access access = {.table = table, .key = key, .record = record};
    *record = (struct store_record){{0}};
    if (store->read_only && (!store->transaction || !store->tables[table]))
        return true;
    int const result = store_file_guard(store, get, &access);
    return result == 0 || fail(store, result);
}

/* Looks at a few records of TABLE from a random place on, around its end: removes what is worth
 * nothing, and where nothing was and the table is full the one that is worth least. */
static int make_room(struct store *store, unsigned int table)
{
    unsigned char place[STORE_KEY], least_key[STORE_KEY];
    uint64_t least = UINT64_MAX;
    MDB_val key = {sizeof place, place}, value;
    MDB_stat before;
    MDB_cursor *cursor;
    bool removed = false;
    if (getrandom(place, sizeof place, 0) != sizeof place)
        return errno;
    int result = mdb_stat(store->transaction, store->tables[table], &before);
    if (result == 0)
        result = mdb_cursor_open(store->transaction, store->tables[table], &cursor);
    if (result != 0)
        return result;
    result = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    for (unsigned int i = 0; i < LOOKED_AT; i++) {
        if (result == MDB_NOTFOUND)
            result = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
        if (result != 0)
            break;
        uint64_t const value_worth = worth(store, table, &value);
        if (value_worth && value_worth < least && key.mv_size == STORE_KEY) {
            least = value_worth;
            memcpy(least_key, key.mv_data, sizeof least_key);
        }
        if (!value_worth) {
            result = mdb_cursor_del(cursor, 0);
            removed = true;
        }
        if (result == 0) /* behind one that was removed as well */
            result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (result == MDB_NOTFOUND)
        result = 0;
    if (result == 0 && !removed && before.ms_entries >= store->form->tables[table].records &&
        least != UINT64_MAX) {
        key = (MDB_val){sizeof least_key, least_key};
        result = mdb_del(store->transaction, store->tables[table], &key, NULL);
    }
    return result;
}

static int put(struct store *store, void *argument)
{
    struct access const *const access = argument;
    MDB_dbi const table = store->tables[access->table];
    MDB_val sought = {STORE_KEY, (void *)access->key->bytes}, value;
    int result = mdb_get(store->transaction, table, &sought, &value);
    if (result == MDB_NOTFOUND)
        result = make_room(store, access->table);
    value = (MDB_val){sizeof *access->written, (void *)access->written};
    return result == 0 ? mdb_put(store->transaction, table, &sought, &value, 0) : result;
}

bool store_put(struct store *store, unsigned int table, struct store_key const *key,
               struct store_record const *record)
{
    struct access access = {.table = table, .key = key, .written = record};
    int const result = store_file_guard(store, put, &access);
    return result == 0 || fail(store, result);
}

static int remove_record(struct store *store, void *argument)
{
    struct access const *const access = argument;
    MDB_val sought = {STORE_KEY, (void *)access->key->bytes};
    int const result = mdb_del(store->transaction, store->tables[access->table], &sought, NULL);
    return result == MDB_NOTFOUND ? 0 : result;
}

bool store_remove(struct store *store, unsigned int table, struct store_key const *key)
{
    struct access access = {.table = table, .key = key};
    int const result = store_file_guard(store, remove_record, &access);
    return result == 0 || fail(store, result);
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
        return fail(store, result);
    unlock(store);
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
    unlock(store);
}
