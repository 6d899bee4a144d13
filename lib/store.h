/* What processes remember together: an LMDB file in a folder of theirs.
 *
 * A transaction holds a lock of our own from its begin to its end: so LMDB needs no lock file
 * whose damage or stale readers would have to be repaired, and a process that is killed anywhere
 * leaves the last committed state. A file that is damaged, foreign or full is set aside as
 * `NAME.bad`, logged, and made anew by who comes next; also when the damage shows as a signal,
 * since LMDB goes where a page says.
 *
 * The tables are bounded. A record is three times in microseconds; the latest says until when it is
 * worth to be kept. Whenever a new one comes, a few at a random place are looked at: those that are
 * worth nothing go, and from a full table the one that is worth least. A record of another size,
 * from another version of the program, is worth nothing. Keys are hashes made with a secret of the
 * file: an attacker cannot choose them, and what they are made of stands nowhere. */
#ifndef EKIDEN_STORE_H
#define EKIDEN_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lmdb.h>

#define STORE_KEY        16
#define STORE_SECRET     32
#define STORE_TABLES_MAX 4
#define STORE_NAME_MAX   95
#define STORE_HOUR       UINT64_C(3600000000) /* microseconds */
#define STORE_DAY        (24 * STORE_HOUR)

struct store_table {
    char const *name;
    uint64_t longest; /* how far ahead a time may lie */
    size_t records;   /* at most */
};

/* One kind of store; a constant of its user. */
struct store_form {
    char const *file;      /* its name in the folder */
    unsigned int lock;     /* which byte of the folder's lock file its transactions hold */
    size_t space;          /* that the file may take; three times what full tables do */
    unsigned int patience; /* milliseconds that a transaction waits for others; 0: without end */
    /* Good until the machine starts again, and then made anew: it needs no sync, which is what a
     * transaction mostly costs. The file's name holds the boot's id. */
    bool until_boot;
    size_t table_count;
    struct store_table const *tables;
};

struct store_record {
    uint64_t times[3];
};

struct store_key {
    unsigned char bytes[STORE_KEY];
};

struct store {
    struct store_form const *form;
    char file[STORE_NAME_MAX + 1];
    int lock; /* the file whose bytes are the locks */
    bool read_only, synced;
    bool given_up; /* damage came as a signal: this process leaves the file alone from then on */
    uint64_t now;
    MDB_env *env; /* stays open between transactions */
    MDB_txn *transaction;
    MDB_dbi tables[STORE_TABLES_MAX]; /* 0: it is not there (read only) */
    unsigned char secret[STORE_SECRET];
};

/* Makes DIRECTORY, the state folder, the working directory, because LMDB opens by path, and opens
 * what the locks need. From here on damage that shows as a signal (a cut file, wild pointers) is
 * dealt with. READ_ONLY: nothing is written nor made, and where there is no store all is as in an
 * empty one. False after logging. */
bool store_open(struct store *store, int directory, struct store_form const *form, bool read_only);
void store_close(struct store *store);

/* Begins a transaction at the time NOW; waits for those of others. False after logging (silently
 * when the store was given up). Only one transaction of a process at a time. */
bool store_begin(struct store *store, uint64_t now);

/* The key of what KIND and LENGTH bytes say. */
void store_make_key(struct store const *store, struct store_key *key, char kind, void const *bytes,
                    size_t length);

/* Reads a record: zeros where there is none, or one that cannot be believed because its times lie
 * further ahead than any of its table (the clock was set back). False after logging; the
 * transaction has ended then. */
bool store_get(struct store *store, unsigned int table, struct store_key const *key,
               struct store_record *record);

/* Writes a record, and makes room. False as above. */
bool store_put(struct store *store, unsigned int table, struct store_key const *key,
               struct store_record const *record);

/* Removes a record, where there is one. False as above. */
bool store_remove(struct store *store, unsigned int table, struct store_key const *key);

/* Ends the transaction: what was put is there for all, or false after logging and nothing is. A
 * power cut may take back the last transaction (of a store until boot all), never more. */
bool store_commit(struct store *store);
void store_abort(struct store *store);

/* Locks on bytes of the same file, for auth/slots.h. Waits when told to; false: taken (EAGAIN), or
 * errno. A process that ends has none. */
bool store_lock_byte(struct store const *store, unsigned int number, bool wait);

#endif
