#include "auth/store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <bearssl.h>

#include "lib/log.h"

#define STORE_FILE "store"
#define STORE_BAD  "store.bad"
#define LOCK_FILE  "lock"
#define LOCK_STORE 0           /* this byte of the lock file is the transaction's */
#define MAP_SIZE   (64u << 20) /* three times what full tables take */
#define RECORDS    65536       /* of a table */
#define LOOKED_AT  8           /* records, when one is added */
#define SECRET_KEY "secret"

static struct table {
    char const *name;
    uint64_t longest; /* how far ahead a time may lie */
} const tables[STORE_TABLES] = {
    [STORE_ADDRESSES] = {"addresses", STORE_DAY},
    [STORE_USERS] = {"users", STORE_DAY},
    [STORE_PAIRS] = {"pairs", 31 * STORE_DAY},
    [STORE_BUDGETS] = {"budgets", 2 * STORE_HOUR},
};

/* Of the file that a transaction has open; for the handler of signals. */
static volatile sig_atomic_t in_transaction;

static void set_aside(char const *why)
{
    struct log_line line;
    int const failed = rename(STORE_FILE, STORE_BAD) != 0 ? errno : 0;
    log_begin(&line, "store-damaged");
    log_text(&line, "what", why);
    log_text(&line, "kept-as", STORE_BAD);
    log_text(&line, "do", "nothing: a new one is made, and counts begin again");
    if (failed && failed != ENOENT)
        log_errno(&line, failed);
    log_write(&line);
}

static void on_damage(int number)
{
    signal(number, SIG_DFL);
    if (!in_transaction) {
        raise(number);
        return;
    }
    in_transaction = 0;
    set_aside(number == SIGBUS ? "the file was cut" : "its contents lead nowhere");
    _exit(111);
}

static void on_assertion(MDB_env *env, char const *what)
{
    (void)env;
    set_aside(what);
    _exit(111);
}

bool store_open(struct store *store, int directory)
{
    *store = (struct store){.lock = -1};
    if (fchdir(directory) == 0)
        store->lock = open(LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (store->lock < 0) {
        log_failure("store-failed", "the state folder (-S) cannot be written to", errno);
        return false;
    }
    signal(SIGBUS, on_damage);
    signal(SIGSEGV, on_damage);
    signal(SIGABRT, on_damage);
    signal(SIGXFSZ, SIG_IGN);
    return true;
}

bool store_lock_byte(struct store const *store, unsigned int number, bool wait)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)number, .l_len = 1};
    int result;
    do
        result = fcntl(store->lock, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

static void unlock(struct store const *store)
{
    struct flock lock = {
        .l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = LOCK_STORE, .l_len = 1};
    (void)fcntl(store->lock, F_OFD_SETLK, &lock);
}

static void close_file(struct store *store)
{
    if (store->transaction)
        mdb_txn_abort(store->transaction);
    if (store->env)
        mdb_env_close(store->env);
    store->transaction = NULL;
    store->env = NULL;
    in_transaction = 0;
}

/* Errors of LMDB's own are about the file; positive ones are the system's: no memory, no room. */
static bool is_damage(int result)
{
    return result < 0;
}

static bool fail(struct store *store, int result)
{
    close_file(store);
    if (is_damage(result))
        set_aside(mdb_strerror(result));
    else
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
    if (result != MDB_NOTFOUND)
        return result;
    if (getrandom(store->secret, STORE_SECRET, 0) != STORE_SECRET)
        return errno;
    value = (MDB_val){STORE_SECRET, store->secret};
    return mdb_put(store->transaction, main, &key, &value, 0);
}

static int open_file(struct store *store)
{
    in_transaction = 1;
    int result = mdb_env_create(&store->env);
    if (result == 0)
        result = mdb_env_set_maxdbs(store->env, STORE_TABLES);
    if (result == 0)
        result = mdb_env_set_mapsize(store->env, MAP_SIZE);
    if (result == 0)
        result = mdb_env_set_assert(store->env, on_assertion);
    /* The sync that is left makes the data durable before a root points to it: a power cut may take
     * back the last transaction, never more. */
    if (result == 0)
        result = mdb_env_open(store->env, STORE_FILE,
                              MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOMETASYNC | MDB_NORDAHEAD, 0600);
    if (result == 0)
        result = mdb_txn_begin(store->env, NULL, 0, &store->transaction);
    if (result == 0)
        result = find_secret(store);
    for (size_t i = 0; result == 0 && i < STORE_TABLES; i++)
        result = mdb_dbi_open(store->transaction, tables[i].name, MDB_CREATE, &store->tables[i]);
    return result;
}

bool store_begin(struct store *store, uint64_t now)
{
    store->now = now;
    if (!store_lock_byte(store, LOCK_STORE, true)) {
        log_failure("store-failed", "the lock", errno);
        return false;
    }
    int result = open_file(store);
    if (is_damage(result)) {
        close_file(store);
        set_aside(mdb_strerror(result));
        result = open_file(store);
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

/* The latest time of VALUE; 0 when it is past, or cannot be. */
static uint64_t worth(struct store const *store, enum store_table table, MDB_val const *value)
{
    struct store_record record;
    uint64_t latest = 0;
    if (value->mv_size != sizeof record)
        return 0;
    memcpy(&record, value->mv_data, sizeof record);
    for (size_t i = 0; i < sizeof record.times / sizeof *record.times; i++)
        if (record.times[i] > latest)
            latest = record.times[i];
    return latest > store->now && latest - store->now <= tables[table].longest ? latest : 0;
}

bool store_get(struct store *store, enum store_table table, struct store_key const *key,
               struct store_record *record)
{
    MDB_val sought = {STORE_KEY, (void *)key->bytes}, value;
    int const result = mdb_get(store->transaction, store->tables[table], &sought, &value);
    *record = (struct store_record){{0}};
    if (result == 0 && worth(store, table, &value))
        memcpy(record, value.mv_data, sizeof *record);
    return result == 0 || result == MDB_NOTFOUND || fail(store, result);
}

/* Looks at a few records of TABLE from a random place on, around its end: removes what is worth
 * nothing, and where nothing was and the table is full the one that is worth least. */
static int make_room(struct store *store, enum store_table table)
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
    if (result == 0 && !removed && before.ms_entries >= RECORDS && least != UINT64_MAX) {
        key = (MDB_val){sizeof least_key, least_key};
        result = mdb_del(store->transaction, store->tables[table], &key, NULL);
    }
    return result;
}

bool store_put(struct store *store, enum store_table table, struct store_key const *key,
               struct store_record const *record)
{
    MDB_val sought = {STORE_KEY, (void *)key->bytes}, value;
    int result = mdb_get(store->transaction, store->tables[table], &sought, &value);
    if (result == MDB_NOTFOUND)
        result = make_room(store, table);
    value = (MDB_val){sizeof *record, (void *)record};
    if (result == 0)
        result = mdb_put(store->transaction, store->tables[table], &sought, &value, 0);
    return result == 0 || fail(store, result);
}

bool store_commit(struct store *store)
{
    int const result = mdb_txn_commit(store->transaction);
    store->transaction = NULL;
    if (result != 0)
        return fail(store, result);
    close_file(store);
    unlock(store);
    return true;
}

void store_abort(struct store *store)
{
    close_file(store);
    unlock(store);
}
