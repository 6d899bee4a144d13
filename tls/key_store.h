/* The pairs below tls/ in the control folder: read when they are asked for, kept as long as their
 * files stay as they are. */
#ifndef EKIDEN_KEY_STORE_H
#define EKIDEN_KEY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/control.h"
#include "tls/key_folder.h"
#include "tls/key_pair.h"
#include "tls/key_protocol.h"

/* A pair of files is never replaced at once. What does not fit while a file, or the folder, has
 * changed within this time is looked at again. */
#define KEY_FRESH_MILLISECONDS 2000

struct key_entry; /* what a folder held at one time: a pair, or what was wrong */

struct key_store {
    struct control const *control;
    struct key_entry *entries; /* owned: the latest of each folder, and older ones in use */
    size_t count;              /* of the latest ones */
    uint64_t loads;            /* so far */
};

enum key_store_result {
    KEY_STORE_FOUND, /* *entry, which the caller gives back by key_store_release */
    KEY_STORE_LATER, /* the files are just being replaced: ask again soon */
    KEY_STORE_BROKEN /* TEXT says why; logged */
};

void key_store_start(struct key_store *store, struct control const *control);

/* The pair for NAME (LENGTH bytes of any kind). A folder that is there is never replaced by another
 * one because it is broken. With MAY_WAIT false the answer is never LATER. */
enum key_store_result key_store_open(struct key_store *store, char const *name, size_t length,
                                     bool may_wait, struct key_entry **entry,
                                     char text[KEY_TEXT_MAX + 1]);

/* What FOLDER below tls/ holds now, for whoever checks it: its pair, or NULL and what is wrong with
 * it in *problem. Both are valid until the next call. Nothing is logged. */
struct key_pair const *key_store_look(struct key_store *store, char const *folder,
                                      struct key_problem const **problem);

/* Tells apart whatever the folders held at any time: another number as soon as a file has changed.
 */
uint64_t key_entry_number(struct key_entry const *entry);

/* True while that is what a folder held when it was looked at last. */
bool key_store_is_current(struct key_store const *store, uint64_t number);

/* Its pair; valid until it is released, whatever becomes of the files. */
struct key_pair const *key_entry_pair(struct key_entry const *entry);

void key_store_release(struct key_store *store, struct key_entry *entry);

#endif
