/* What ekiden-auth remembers, shared by all that run at once: an LMDB file below the state folder.
 *
 * A transaction opens the file, under a lock of our own, and closes it: so LMDB needs no lock file
 * whose damage or stale readers would have to be repaired, and a process that is killed anywhere
 * leaves the last committed state. A file that is damaged is set aside as `store.bad`, logged, and
 * made anew: what is lost are counts.
 *
 * The tables are bounded. A record is three times in microseconds; the latest says until when it is
 * worth to be kept. Whenever a new one comes, a few at a random place are looked at: those that are
 * worth nothing go, and from a full table the one that is worth least. Keys are hashes made with a
 * secret of the file: an attacker cannot choose them, and a password that was typed as user name
 * stands nowhere. */
#ifndef EKIDEN_STORE_H
#define EKIDEN_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lmdb.h>

#define STORE_KEY    16
#define STORE_SECRET 32
#define STORE_HOUR   UINT64_C(3600000000) /* microseconds */
#define STORE_DAY    (24 * STORE_HOUR)

enum store_table { STORE_ADDRESSES, STORE_USERS, STORE_PAIRS, STORE_BUDGETS, STORE_TABLES };

struct store_record {
    uint64_t times[3];
};

struct store_key {
    unsigned char bytes[STORE_KEY];
};

struct store {
    int lock; /* the file whose bytes are the locks */
    uint64_t now;
    MDB_env *env;
    MDB_txn *transaction;
    MDB_dbi tables[STORE_TABLES];
    unsigned char secret[STORE_SECRET];
};

/* Makes DIRECTORY, the state folder, the working directory, because LMDB opens by path, and opens
 * what the locks need. From here on damage that shows as a signal (a cut file, wild pointers) is
 * dealt with: the process ends with 111 then. False after logging. */
bool store_open(struct store *store, int directory);

/* Begins a transaction at the time NOW; waits for those of others. False after logging. */
bool store_begin(struct store *store, uint64_t now);

/* The key of what KIND and LENGTH bytes say. */
void store_make_key(struct store const *store, struct store_key *key, char kind, void const *bytes,
                    size_t length);

/* Reads a record: zeros where there is none, or one that cannot be believed because its times lie
 * further ahead than any of its table (the clock was set back). False after logging; the
 * transaction has ended then. */
bool store_get(struct store *store, enum store_table table, struct store_key const *key,
               struct store_record *record);

/* Writes a record, and makes room. False as above. */
bool store_put(struct store *store, enum store_table table, struct store_key const *key,
               struct store_record const *record);

/* Ends the transaction: what was put is on the disk, or false after logging and nothing is. */
bool store_commit(struct store *store);
void store_abort(struct store *store);

/* Locks on bytes of the same file, for auth/slots.h. Waits when told to; false: taken (EAGAIN), or
 * errno. A process that ends has none. */
bool store_lock_byte(struct store const *store, unsigned int number, bool wait);

#endif
