#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <bearssl.h>

#include "lib/store.h"
#include "lib/store_file.h"

#define LOOKED_AT 8 /* records, when one is added */

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
    return result == 0 || store_file_fail(store, result);
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
    return result == 0 || store_file_fail(store, result);
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
    return result == 0 || store_file_fail(store, result);
}
