#include "tls/key_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>

#include "lib/log.h"
#include "tls/key_stamp.h"

/* A file that was written to a moment ago may not be whole: a chain can end behind any certificate.
 */
#define SETTLED_MILLISECONDS 100
#define ENTRIES_MAX          1024 /* folders kept in memory; of more, those used last */
#define LOG_AGAIN_SECONDS    60
#define PATH_SIZE            (sizeof "tls//chain.pem" + KEY_FOLDER_MAX)

struct key_entry {
    struct key_entry *next;
    char folder[KEY_FOLDER_MAX + 1];
    uint64_t number;
    struct key_stamp chain, key;
    unsigned int references;
    bool latest;  /* of its folder */
    bool settled; /* was given once */
    time_t used, logged;
    bool usable; /* there is a pair */
    struct key_pair pair;
    struct key_problem problem; /* else */
};

static char const *const chain_name = "chain.pem", *const key_name = "key.pem";

/* --- looking at files --- */

static void make_path(char path[PATH_SIZE], char const *folder, char const *name)
{
    snprintf(path, PATH_SIZE, "tls/%s%s%s", folder, name ? "/" : "", name ? name : "");
}

static struct key_stamp look(struct key_store const *store, char const *folder, char const *name)
{
    char path[PATH_SIZE];
    make_path(path, folder, name);
    return key_stamp_take(store->control->directory, path);
}

/* True for a folder, or whatever else has its name. */
static bool is_there(struct key_store const *store, char const *folder)
{
    char path[PATH_SIZE];
    struct stat status;
    make_path(path, folder, NULL);
    return fstatat(store->control->directory, path, &status, AT_SYMLINK_NOFOLLOW) == 0 ||
           errno != ENOENT;
}

static bool has_changed_lately(struct key_stamp const *stamp)
{
    return !stamp->error && key_stamp_age(&stamp->changed) < KEY_FRESH_MILLISECONDS;
}

static bool is_fresh(struct key_store const *store, struct key_entry const *entry)
{
    struct key_stamp const folder = look(store, entry->folder, NULL), all = look(store, "", NULL);
    return has_changed_lately(&entry->chain) || has_changed_lately(&entry->key) ||
           has_changed_lately(&folder) || has_changed_lately(&all);
}

/* --- loading --- */

/* Reads a file of at most KEY_PEM_TEXT_MAX bytes. Returns its length, or -1 with PROBLEM. */
static ssize_t read_file(struct key_store const *store, char const *folder, char const *name,
                         char *buffer, struct key_problem *problem)
{
    char path[PATH_SIZE];
    struct stat status;
    make_path(path, folder, name);
    *problem = (struct key_problem){.file = name};
    int const file =
        openat(store->control->directory, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0) {
        problem->what = errno == ENOENT   ? "is missing"
                        : errno == EACCES ? "cannot be read by the key process"
                                          : "cannot be opened";
        problem->hint = errno == ENOENT ? "install chain.pem and key.pem"
                                        : "let its user read it (install -g ekidenk -m 640)";
        return -1;
    }
    ssize_t length = -1;
    problem->what = "is no file";
    problem->hint = "install chain.pem and key.pem";
    if (fstat(file, &status) == 0 && S_ISREG(status.st_mode)) {
        problem->what = "cannot be read";
        length = (ssize_t)allread(file, buffer, KEY_PEM_TEXT_MAX + 1);
    }
    fd_close(file);
    if (length > (ssize_t)KEY_PEM_TEXT_MAX) {
        problem->what = "is larger than 64 KiB";
        length = -1;
    }
    return length;
}

static void load(struct key_store const *store, struct key_entry *entry)
{
    static char chain[KEY_PEM_TEXT_MAX + 1], key[KEY_PEM_TEXT_MAX + 1];
    entry->chain = look(store, entry->folder, chain_name);
    entry->key = look(store, entry->folder, key_name);
    ssize_t const chain_length =
        read_file(store, entry->folder, chain_name, chain, &entry->problem);
    if (chain_length < 0)
        return;
    ssize_t const key_length = read_file(store, entry->folder, key_name, key, &entry->problem);
    if (key_length < 0)
        return;
    entry->usable = key_pair_make(&entry->pair, chain, (size_t)chain_length, key,
                                  (size_t)key_length, &entry->problem);
    explicit_bzero(key, (size_t)key_length);
}

/* --- entries --- */

void key_store_start(struct key_store *store, struct control const *control)
{
    *store = (struct key_store){.control = control};
}

struct key_pair const *key_entry_pair(struct key_entry const *entry)
{
    return &entry->pair;
}

uint64_t key_entry_number(struct key_entry const *entry)
{
    return entry->number;
}

bool key_store_is_current(struct key_store const *store, uint64_t number)
{
    struct key_entry const *entry = store->entries;
    while (entry && entry->number != number)
        entry = entry->next;
    return entry && entry->latest;
}

static void free_entry(struct key_store *store, struct key_entry *entry)
{
    struct key_entry **place = &store->entries;
    while (*place != entry)
        place = &(*place)->next;
    *place = entry->next;
    key_pair_free(&entry->pair);
    free(entry);
}

/* It is no longer what its folder has. */
static void retire(struct key_store *store, struct key_entry *entry)
{
    entry->latest = false;
    store->count--;
    if (!entry->references)
        free_entry(store, entry);
}

static struct key_entry *find_latest(struct key_store const *store, char const *folder)
{
    struct key_entry *entry = store->entries;
    while (entry && !(entry->latest && !strcmp(entry->folder, folder)))
        entry = entry->next;
    return entry;
}

static void make_room(struct key_store *store)
{
    struct key_entry *oldest = NULL;
    if (store->count < ENTRIES_MAX)
        return;
    for (struct key_entry *entry = store->entries; entry; entry = entry->next)
        if (entry->latest && (!oldest || entry->used < oldest->used))
            oldest = entry;
    retire(store, oldest);
}

/* What FOLDER has now. 0: out of memory. */
static struct key_entry *current(struct key_store *store, char const *folder)
{
    struct key_entry *entry = find_latest(store, folder);
    if (entry) {
        struct key_stamp const chain = look(store, folder, chain_name);
        struct key_stamp const key = look(store, folder, key_name);
        if (key_stamp_is_same(&chain, &entry->chain) && key_stamp_is_same(&key, &entry->key))
            return entry;
        retire(store, entry);
    }
    make_room(store);
    entry = calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    memcpy(entry->folder, folder, strlen(folder) + 1);
    entry->latest = true;
    entry->number = ++store->loads;
    entry->next = store->entries;
    store->entries = entry;
    store->count++;
    load(store, entry);
    return entry;
}

void key_store_release(struct key_store *store, struct key_entry *entry)
{
    if (!--entry->references && !entry->latest)
        free_entry(store, entry);
}

/* --- what is said about them --- */

static void log_entry(struct key_store const *store, struct key_entry const *entry,
                      char const *event, struct key_problem const *problem)
{
    struct log_line line;
    char path[512];
    snprintf(path, sizeof path, "%s/tls/%s/%s", store->control->path, entry->folder, problem->file);
    log_begin(&line, event);
    log_text(&line, "name", entry->folder);
    log_text(&line, "file", path);
    log_text(&line, "what", problem->what);
    log_text(&line, "do", problem->hint);
    log_write(&line);
}

static void log_loaded(struct key_store const *store, struct key_entry const *entry, time_t now)
{
    static struct key_problem const open_key = {
        "key.pem", "can be read by every user of this host",
        "let nobody but the key process read it (install -g ekidenk -m 640)"};
    struct key_pair const *const pair = &entry->pair;
    struct log_line line;
    char kind[16];
    snprintf(kind, sizeof kind, "%s-%u", pair->type == KEY_RSA ? "RSA" : "P", pair->size);
    log_begin(&line, "certificate-loaded");
    log_text(&line, "name", entry->folder);
    log_text(&line, "key", kind);
    log_number(&line, "certificates", pair->chain.count);
    log_number(&line, "days-left", (uint64_t)(pair->ends - now) / 86400);
    log_write(&line);
    if (entry->key.mode & S_IROTH)
        log_entry(store, entry, "certificate-careless", &open_key);
}

/* What is wrong with ENTRY now; 0 when it can be used. */
static struct key_problem const *find_problem(struct key_entry const *entry, time_t now)
{
    static struct key_problem const expired = {
        "chain.pem", "has expired", "renew the certificate, and find out why nobody did"};
    static struct key_problem const early = {"chain.pem", "is not yet valid",
                                             "wait, or look at this host's clock"};
    if (!entry->usable)
        return &entry->problem;
    if (now > entry->pair.ends)
        return &expired;
    return now < entry->pair.begins ? &early : NULL;
}

static enum key_store_result judge(struct key_store *store, struct key_entry *entry, bool may_wait,
                                   char text[KEY_TEXT_MAX + 1])
{
    time_t const now = time(NULL);
    struct key_problem const *const problem = find_problem(entry, now);
    entry->used = now;
    if (!problem) {
        if (!entry->settled && may_wait &&
            (key_stamp_age(&entry->chain.written) < SETTLED_MILLISECONDS ||
             key_stamp_age(&entry->key.written) < SETTLED_MILLISECONDS))
            return KEY_STORE_LATER;
        if (!entry->settled)
            log_loaded(store, entry, now);
        entry->settled = true;
        return KEY_STORE_FOUND;
    }
    if (may_wait && is_fresh(store, entry))
        return KEY_STORE_LATER;
    if (now - entry->logged >= LOG_AGAIN_SECONDS || now < entry->logged) {
        log_entry(store, entry, "certificate-broken", problem);
        entry->logged = now;
    }
    snprintf(text, KEY_TEXT_MAX + 1, "tls/%.100s/%s %.90s", entry->folder, problem->file,
             problem->what);
    return KEY_STORE_BROKEN;
}

enum key_store_result key_store_open(struct key_store *store, char const *name, size_t length,
                                     bool may_wait, struct key_entry **entry,
                                     char text[KEY_TEXT_MAX + 1])
{
    struct key_folders folders;
    size_t i = 0;
    key_folders_find(&folders, name, length);
    while (i + 1 < folders.count && !is_there(store, folders.names[i]))
        i++;
    *entry = current(store, folders.names[i]);
    if (!*entry) {
        snprintf(text, KEY_TEXT_MAX + 1, "the key process is out of memory");
        return KEY_STORE_BROKEN;
    }
    enum key_store_result const result = judge(store, *entry, may_wait, text);
    if (result == KEY_STORE_FOUND)
        (*entry)->references++;
    return result;
}

struct key_pair const *key_store_look(struct key_store *store, char const *folder,
                                      struct key_problem const **problem)
{
    static struct key_problem const memory = {"key.pem", "cannot be kept: out of memory",
                                              "see what uses it up"};
    struct key_entry const *const entry = current(store, folder);
    *problem = entry ? find_problem(entry, time(NULL)) : &memory;
    return *problem ? NULL : &entry->pair;
}
