/* Many writers on one greylist, killed at random; then what is in it is compared with what they
 * were told. For tests/bench/greylist and tests/system/test_greylist.py.
 *
 *   greylist_store FOLDER ENTRIES WRITERS KILLS-A-SECOND
 *
 * Prints `key=value` lines; ends with 1 when anything is missing, torn, or doubly used. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "judge/greylist.h"
#include "lib/log.h"

#define NOW         UINT64_C(1800000000000000)
#define LATER       (NOW + UINT64_C(301000000))
#define WRITERS_MAX 100
#define PASS_EACH   100 /* every hundredth comes again, and passes */
#define BUCKETS     64  /* of a histogram: powers of two of microseconds, in quarters */

enum { TOLD_DEFERRED = 1, TOLD_PASSED = 2 };

static struct shared {
    atomic_ulong next, deferred, passed, unknown;
    atomic_ulong deferring[BUCKETS], passing[BUCKETS];
    _Atomic unsigned char told[]; /* by number */
} * shared;

static unsigned long entries;
static char const *folder;
static struct greylist_settings settings = {.values = {[GREYLIST_DELAY] = 300,
                                                       [GREYLIST_WINDOW] = 14400,
                                                       [GREYLIST_TTL] = 36 * 86400,
                                                       [GREYLIST_NETWORK4] = 24,
                                                       [GREYLIST_NETWORK6] = 64}};

static void die(char const *what)
{
    perror(what);
    exit(2);
}

static double seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void open_memory(struct memory *memory, bool read_only)
{
    int const directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        die(folder);
    memory_open(memory, directory, read_only);
    close(directory);
    if (!memory->usable)
        exit(2);
}

static char const *ask(struct memory *memory, unsigned long number, uint64_t now)
{
    static struct finding finding;
    char recipient[40];
    uint32_t const address = (uint32_t)number * 2654435761u;
    ip46 client = {.is6 = 0};
    memcpy(client.ip, &address, sizeof address);
    snprintf(recipient, sizeof recipient, "user%lu@local.example", number);
    greylist_ask(&finding, &settings, memory, now, &client, "sender@remote.example", recipient, "");
    return finding.verdict == FINDING_DEFER ? "deferred" : finding.text;
}

/* --- writers --- */

static void note_time(atomic_ulong *histogram, double begin)
{
    double micros = (seconds() - begin) * 1e6;
    unsigned int bucket = 0;
    for (double bound = 4; micros > bound && bucket + 1 < BUCKETS; bound *= 1.25)
        bucket++;
    histogram[bucket]++;
}

static double quantile(atomic_ulong const *histogram, double part)
{
    unsigned long sum = 0, seen = 0;
    for (unsigned int i = 0; i < BUCKETS; i++)
        sum += histogram[i];
    double bound = 4;
    for (unsigned int i = 0; i < BUCKETS; i++, bound *= 1.25) {
        seen += histogram[i];
        if ((double)seen >= part * (double)sum)
            break;
    }
    return bound / 1000;
}

static _Noreturn void write_entries(void)
{
    struct memory memory;
    unsigned long number;
    open_memory(&memory, false);
    while ((number = shared->next++) < entries) {
        double begin = seconds();
        if (strcmp(ask(&memory, number, NOW), "deferred") != 0) {
            shared->unknown++;
            _exit(1);
        }
        shared->told[number] |= TOLD_DEFERRED;
        shared->deferred++;
        note_time(shared->deferring, begin);
        if (number % PASS_EACH)
            continue;
        begin = seconds();
        if (strcmp(ask(&memory, number, LATER), "passed") != 0) {
            shared->unknown++;
            _exit(1);
        }
        shared->told[number] |= TOLD_PASSED;
        shared->passed++;
        note_time(shared->passing, begin);
    }
    _exit(0);
}

static pid_t start_writer(void)
{
    pid_t const child = fork();
    if (child < 0)
        die("fork");
    if (child == 0)
        write_entries();
    return child;
}

/* Returns how many were killed. */
static unsigned long run_writers(unsigned int count, unsigned long kills_a_second)
{
    pid_t writers[WRITERS_MAX];
    unsigned long kills = 0;
    for (unsigned int i = 0; i < count; i++)
        writers[i] = start_writer();
    while (shared->next < entries && !shared->unknown) {
        struct timespec wait = {.tv_nsec = 0};
        if (kills_a_second) /* between nothing and twice the mean */
            wait.tv_nsec = (long)((double)rand() / RAND_MAX * 2e9 / (double)kills_a_second);
        else
            wait.tv_nsec = 50000000;
        nanosleep(&wait, NULL);
        if (!kills_a_second)
            continue;
        pid_t *const victim = writers + (unsigned int)rand() % count;
        kill(*victim, SIGKILL);
        waitpid(*victim, NULL, 0);
        *victim = start_writer();
        kills++;
    }
    for (unsigned int i = 0; i < count; i++)
        waitpid(writers[i], NULL, 0);
    return kills;
}

/* --- what they were told is so --- */

static unsigned long count_missing(void)
{
    struct memory memory;
    unsigned long missing = 0;
    open_memory(&memory, true);
    for (unsigned long number = 0; number < entries; number++) {
        unsigned char const told = shared->told[number];
        if (!told)
            continue;
        char const *const found = ask(&memory, number, LATER);
        if (strcmp(found, told & TOLD_PASSED ? "known" : "passed") != 0 &&
            strcmp(found, "known") != 0) /* it passed, and was killed before it said so */
            missing++;
    }
    memory_close(&memory);
    return missing;
}

/* Takes the page numbers of a list of free ones. */
static unsigned long take_free(unsigned char *used, size_t last, MDB_val const *value)
{
    size_t const *const list = value->mv_data;
    unsigned long wrong = 0;
    for (size_t i = 1; i <= list[0]; i++)
        if (list[i] > last || used[list[i]]++)
            wrong++;
    return wrong;
}

static size_t pages_of(MDB_stat const *status)
{
    return status->ms_branch_pages + status->ms_leaf_pages + status->ms_overflow_pages;
}

/* All keys of TABLE, in order. Returns what is wrong. */
static unsigned long walk(MDB_txn *transaction, MDB_dbi table, bool records, size_t *pages,
                          unsigned long *count)
{
    MDB_cursor *cursor;
    MDB_stat status;
    MDB_val key, value, before = {0, NULL};
    unsigned long wrong = 0, seen = 0;
    if (mdb_stat(transaction, table, &status) || mdb_cursor_open(transaction, table, &cursor))
        return 1;
    int result;
    while ((result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        seen++;
        if (seen > 1 && mdb_cmp(transaction, table, &before, &key) >= 0)
            wrong++;
        before = key;
        struct store_record const *const record = value.mv_data;
        if (records && (key.mv_size != STORE_KEY || value.mv_size != sizeof *record ||
                        record->times[0] < NOW || record->times[0] > LATER + 400 * STORE_DAY))
            wrong++;
    }
    mdb_cursor_close(cursor);
    *pages += pages_of(&status);
    *count += seen;
    return wrong + (result != MDB_NOTFOUND) + (seen != status.ms_entries);
}

/* Every page is used once or free once, and nothing else. */
static unsigned long check_file(char const *path, unsigned long *count)
{
    MDB_env *env;
    MDB_txn *transaction;
    MDB_envinfo info;
    MDB_dbi main, table;
    MDB_cursor *cursor;
    MDB_val key, value;
    size_t pages = 2, free_pages = 0; /* the roots */
    unsigned long wrong = 0, ignored = 0;
    if (mdb_env_create(&env) || mdb_env_set_maxdbs(env, 4) ||
        mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_RDONLY, 0) ||
        mdb_env_info(env, &info) || mdb_txn_begin(env, NULL, MDB_RDONLY, &transaction) ||
        mdb_dbi_open(transaction, NULL, 0, &main) || mdb_cursor_open(transaction, main, &cursor))
        return 1;
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        char name[32] = "";
        memcpy(name, key.mv_data, key.mv_size < sizeof name ? key.mv_size : 0);
        if (strcmp(name, "secret") != 0)
            wrong += mdb_dbi_open(transaction, name, 0, &table) ||
                     walk(transaction, table, true, &pages, count);
    }
    mdb_cursor_close(cursor);
    unsigned char *const used = calloc(info.me_last_pgno + 1, 1);
    if (!used || mdb_cursor_open(transaction, 0, &cursor))
        return 1;
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        wrong += take_free(used, info.me_last_pgno, &value);
        free_pages += *(size_t const *)value.mv_data;
    }
    mdb_cursor_close(cursor);
    wrong += walk(transaction, main, false, &pages, &ignored);
    wrong += walk(transaction, 0, false, &pages, &ignored);
    if (pages + free_pages != info.me_last_pgno + 1) {
        fprintf(stderr, "%s: %zu pages in use, %zu free, but %zu in all\n", path, pages, free_pages,
                info.me_last_pgno + 1);
        wrong++;
    }
    free(used);
    mdb_txn_abort(transaction);
    mdb_env_close(env);
    printf("file=%s pages=%zu free=%zu\n", path, info.me_last_pgno + 1, free_pages);
    return wrong;
}

static unsigned long check_files(unsigned long *count)
{
    unsigned long wrong = 0, files = 0;
    DIR *const directory = opendir(folder);
    struct dirent const *entry;
    while (directory && (entry = readdir(directory))) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (strstr(entry->d_name, ".bad"))
            wrong++;
        else if (!strcmp(entry->d_name, "kept") || !strncmp(entry->d_name, "recent", 6)) {
            wrong += check_file(path, count);
            files++;
        }
    }
    if (directory)
        closedir(directory);
    return wrong + (files != 2);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    folder = realpath(argv[1], NULL); /* the store makes it the working directory */
    entries = strtoul(argv[2], NULL, 10);
    unsigned int const writers = (unsigned int)strtoul(argv[3], NULL, 10);
    if (!folder || !writers || writers > WRITERS_MAX || !entries)
        return 2;
    log_start("greylist_store");
    srand((unsigned int)getpid());
    shared = mmap(NULL, sizeof *shared + entries, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        die("mmap");
    double const begin = seconds();
    unsigned long const kills = run_writers(writers, strtoul(argv[4], NULL, 10));
    double const written = seconds() - begin;
    unsigned long found = 0;
    unsigned long const missing = count_missing(), wrong = check_files(&found);
    printf("deferred=%lu\npassed=%lu\nkills=%lu\nseconds=%.1f\na-second=%.0f\n", shared->deferred,
           shared->passed, kills, written, (double)shared->deferred / written);
    printf("defer-ms=%.2f\ndefer-ms-99=%.2f\npass-ms=%.2f\npass-ms-99=%.2f\n",
           quantile(shared->deferring, 0.5), quantile(shared->deferring, 0.99),
           quantile(shared->passing, 0.5), quantile(shared->passing, 0.99));
    printf("check-seconds=%.1f\nrecords=%lu\nmissing=%lu\nwrong=%lu\nunknown=%lu\n",
           seconds() - begin - written, found, missing, wrong, shared->unknown);
    return missing || wrong || shared->unknown || found < shared->deferred;
}
