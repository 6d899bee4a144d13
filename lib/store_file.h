/* The file of a store: its name, and what happens when it is none. */
#ifndef EKIDEN_STORE_FILE_H
#define EKIDEN_STORE_FILE_H

#include "lib/store.h"

/* Fills in store->file and store->synced. A store until boot whose boot's id cannot be read is kept
 * as others are, with a sync for each transaction. */
void store_file_name(struct store *store);

enum store_file {
    STORE_FILE_GOOD, /* a regular file */
    STORE_FILE_ABSENT,
    STORE_FILE_ODD /* something else has its name: a link, a folder, a FIFO */
};

/* What has the name of the file now; *same says whether it is the one that DESCRIPTOR has open. */
enum store_file store_file_look(struct store const *store, int descriptor, bool *same);

/* Renames it to NAME.bad and logs WHY. In a store that is only read it stays, and is logged. */
void store_file_set_aside(struct store const *store, char const *why);

/* Removes the files of former boots. */
void store_file_remove_former(struct store const *store);

/* Calls ACT(store, argument) so that damage to the file which shows as a signal or as a failed
 * assertion ends it: the file is set aside then, the store given up, and MDB_CORRUPTED returned.
 * What LMDB had in memory is lost to the process. Otherwise returns what ACT did. */
typedef int store_file_act(struct store *store, void *argument);
int store_file_guard(struct store *store, store_file_act *act, void *argument);

/* Ends the transaction after the failure RESULT: sets aside what is damaged, logs. Returns false.
 */
bool store_file_fail(struct store *store, int result);

/* Once a process, and once an environment. */
void store_file_catch(void);
int store_file_catch_assertions(MDB_env *env);

#endif
