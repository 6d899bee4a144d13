/* deliver/mailbox.h, maildir.h, batch.h: from a job to a file in new/. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "deliver/batch.h"
#include "deliver/mailbox_make.h"
#include "lib/checksum.h"

#define RECIPIENT "ann@example.org"
#define MESSAGE                                                                                    \
    "Received: from client\nReturn-Path: <forged@x>\nSubject: hello\n\nReturn-Path: stays\n"
#define DELIVERED                                                                                  \
    "Return-Path: <bob@example.net>\nDelivered-To: " RECIPIENT                                     \
    "\nReceived: from client\nSubject: hello\n\nReturn-Path: stays\n"

struct fixture {
    char path[64];
    int root, message;
    struct batch *batch;
    uint64_t next;
    size_t answers;
    enum job_result results[BATCH_MAX];
    char texts[BATCH_MAX][JOB_TEXT_MAX + 1];
};

static int set_up(void **state)
{
    struct fixture *const fixture = calloc(1, sizeof *fixture);
    snprintf(fixture->path, sizeof fixture->path, "/tmp/ekiden-unit-XXXXXX");
    umask(077);
    if (!mkdtemp(fixture->path))
        return -1;
    fixture->root = open(fixture->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fixture->message = open(fixture->path, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    fixture->batch = malloc(sizeof *fixture->batch);
    batch_start(fixture->batch, fixture->root, "mx.example.org");
    *state = fixture;
    return fixture->root < 0 || fixture->message < 0;
}

static void remove_tree(int parent, char const *name)
{
    int const folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *const stream = folder < 0 ? NULL : fdopendir(folder);
    struct dirent const *entry;
    while (stream && (entry = readdir(stream)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            unlinkat(folder, entry->d_name, 0) != 0)
            remove_tree(folder, entry->d_name);
    if (stream)
        closedir(stream);
    unlinkat(parent, name, AT_REMOVEDIR);
}

static int tear_down(void **state)
{
    struct fixture *const fixture = *state;
    batch_free(fixture->batch);
    free(fixture->batch);
    close(fixture->root);
    close(fixture->message);
    remove_tree(AT_FDCWD, fixture->path);
    free(fixture);
    return 0;
}

static uint64_t sum_of(char const *bytes, size_t length)
{
    struct checksum checksum;
    checksum_start(&checksum);
    checksum_add(&checksum, bytes, length);
    return checksum_end(&checksum);
}

/* Adds a delivery of MESSAGE, which lies behind 3 bytes of something else. */
static void add(struct fixture *fixture, char const *mailbox, char const *message)
{
    size_t const length = strlen(message);
    struct job const job = {.number = ++fixture->next,
                            .kind = JOB_MAILBOX,
                            .extension = "",
                            .target = mailbox,
                            .recipient = RECIPIENT,
                            .sender = "bob@example.net",
                            .offset = 3,
                            .length = length,
                            .sum = sum_of(message, length)};
    stralloc wire = STRALLOC_ZERO;
    assert_int_equal(pwrite(fixture->message, message, length, 3), length);
    assert_true(job_format(&wire, &job));
    assert_int_equal(batch_add(fixture->batch, wire.s, wire.len, fixture->message), BATCH_ADDED);
    stralloc_free(&wire);
}

static void keep_answer(void *context, struct job_answer const *answer)
{
    struct fixture *const fixture = context;
    fixture->results[fixture->answers] = answer->result;
    strncpy(fixture->texts[fixture->answers++], answer->text, JOB_TEXT_MAX);
}

static void finish(struct fixture *fixture)
{
    fixture->answers = 0;
    batch_finish(fixture->batch, keep_answer, fixture);
    batch_clear(fixture->batch);
}

static void expect_one(struct fixture *fixture, enum job_result result, char const *begins)
{
    finish(fixture);
    assert_int_equal(fixture->answers, 1);
    if (fixture->results[0] != result || strncmp(fixture->texts[0], begins, strlen(begins)) != 0)
        fail_msg("answered %c %s", fixture->results[0], fixture->texts[0]);
}

/* How many names there are in PATH. LAST, where it is not NULL, gets one of them. */
static size_t names_in(struct fixture const *fixture, char const *path, char *last)
{
    int const folder = openat(fixture->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(folder >= 0);
    DIR *const stream = fdopendir(folder);
    struct dirent const *entry;
    size_t count = 0;
    while ((entry = readdir(stream)))
        if (entry->d_name[0] != '.') {
            count++;
            if (last)
                snprintf(last, NAME_MAX + 1, "%s", entry->d_name);
        }
    closedir(stream);
    return count;
}

static void expect_file(struct fixture const *fixture, char const *folder, char const *content)
{
    char name[NAME_MAX + 1], path[PATH_MAX], bytes[4096];
    struct stat status;
    assert_int_equal(names_in(fixture, folder, name), 1);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int const file = openat(fixture->root, path, O_RDONLY | O_CLOEXEC);
    ssize_t const length = read(file, bytes, sizeof bytes);
    assert_int_equal(length, strlen(content));
    assert_memory_equal(bytes, content, (size_t)length);
    assert_int_equal(fstat(file, &status), 0);
    assert_int_equal(status.st_mode, S_IFREG | 0600);
    assert_int_equal(status.st_nlink, 1);
    close(file);
}

static void expect_folder(struct fixture const *fixture, char const *path)
{
    struct stat status;
    assert_int_equal(fstatat(fixture->root, path, &status, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(status.st_mode, S_IFDIR | 0700);
}

static void a_missing_mailbox_is_made_and_gets_its_mail(void **state)
{
    struct fixture *const fixture = *state;
    char name[NAME_MAX + 1];
    long long seconds;
    unsigned long micro, process, counter;
    int end = 0;
    add(fixture, "example.org/ann", MESSAGE);
    assert_int_equal(names_in(fixture, "example.org/ann/Maildir/new", NULL), 0);
    assert_int_equal(names_in(fixture, "example.org/ann/Maildir/tmp", NULL), 1);
    expect_one(fixture, JOB_DELIVERED, "2.0.0");
    expect_file(fixture, "example.org/ann/Maildir/new", DELIVERED);
    assert_int_equal(names_in(fixture, "example.org/ann/Maildir/tmp", NULL), 0);
    assert_int_equal(names_in(fixture, "example.org/ann/Maildir", NULL), 3);
    assert_int_equal(names_in(fixture, "example.org/ann", NULL), 1);
    expect_folder(fixture, "example.org");
    expect_folder(fixture, "example.org/ann");
    expect_folder(fixture, "example.org/ann/Maildir");
    expect_folder(fixture, "example.org/ann/Maildir/cur");
    names_in(fixture, "example.org/ann/Maildir/new", name);
    assert_int_equal(sscanf(name, "%lld.M%6luP%luQ%lu.mx.example.org%n", &seconds, &micro, &process,
                            &counter, &end),
                     4);
    assert_int_equal(name[end], 0);
    assert_int_equal(process, getpid());
}

static void what_a_crash_left_is_taken_up(void **state)
{
    struct fixture *const fixture = *state;
    assert_int_equal(mkdirat(fixture->root, "ann", 0700), 0);
    assert_int_equal(mkdirat(fixture->root, "ann/.Maildir.unfinished", 0700), 0);
    assert_int_equal(mkdirat(fixture->root, "ann/.Maildir.unfinished/tmp", 0700), 0);
    add(fixture, "ann", MESSAGE);
    expect_one(fixture, JOB_DELIVERED, "2.0.0");
    expect_file(fixture, "ann/Maildir/new", DELIVERED);
    assert_int_equal(faccessat(fixture->root, "ann/.Maildir.unfinished", F_OK, 0), -1);
}

static void quoted_and_empty_addresses(void **state)
{
    struct fixture *const fixture = *state;
    struct job const job = {.number = 1,
                            .kind = JOB_MAILBOX,
                            .extension = "",
                            .target = "ann",
                            .recipient = "a b@example.org",
                            .sender = "",
                            .sum = sum_of("", 0)};
    stralloc wire = STRALLOC_ZERO;
    assert_true(job_format(&wire, &job));
    assert_int_equal(batch_add(fixture->batch, wire.s, wire.len, fixture->message), BATCH_ADDED);
    stralloc_free(&wire);
    expect_one(fixture, JOB_DELIVERED, "2.0.0");
    expect_file(fixture, "ann/Maildir/new", "Return-Path: <>\nDelivered-To: \"a b\"@example.org\n");
}

static void paths_stay_below_the_root(void **state)
{
    (void)state;
    static char const *const good[] = {"ann", "a/b/c", "...", ".a", "a..", "-x", "a b"};
    static char const *const bad[] = {"",   "/",     "/ann", "ann/",   "a//b", ".",
                                      "..", "a/./b", "../a", "a/../b", "a/..", "./a"};
    char path[JOB_MAILBOX_MAX + 2] = "";
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(mailbox_path_is_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(mailbox_path_is_valid(bad[i]));
    memset(path, 'a', NAME_MAX);
    assert_true(mailbox_path_is_valid(path));
    path[NAME_MAX] = 'a';
    assert_false(mailbox_path_is_valid(path));
    for (size_t i = 0; i <= JOB_MAILBOX_MAX; i++)
        path[i] = i % 2 ? '/' : 'a';
    path[JOB_MAILBOX_MAX + 1] = 0;
    path[JOB_MAILBOX_MAX] = 'a';
    assert_false(mailbox_path_is_valid(path));
    path[JOB_MAILBOX_MAX] = 0;
    assert_true(mailbox_path_is_valid(path));
}

static void a_path_that_leads_out_is_deferred(void **state)
{
    struct fixture *const fixture = *state;
    add(fixture, "../ekiden-test-out", MESSAGE);
    expect_one(fixture, JOB_DEFERRED, "4.3.5");
}

static void links_are_never_followed(void **state)
{
    struct fixture *const fixture = *state;
    add(fixture, "ann", MESSAGE);
    expect_one(fixture, JOB_DELIVERED, "2.0.0");
    assert_int_equal(symlinkat("ann", fixture->root, "link"), 0);
    add(fixture, "link", MESSAGE);
    expect_one(fixture, JOB_DEFERRED, "4.3.0");
    add(fixture, "link/inner", MESSAGE);
    expect_one(fixture, JOB_DEFERRED, "4.3.0");
    assert_int_equal(mkdirat(fixture->root, "bob", 0700), 0);
    assert_int_equal(symlinkat("../ann/Maildir", fixture->root, "bob/Maildir"), 0);
    add(fixture, "bob", MESSAGE);
    expect_one(fixture, JOB_DEFERRED, "4.3.0 Maildir must be a folder");
    static char const *const parts[] = {"tmp", "new"};
    for (size_t i = 0; i < 2; i++) {
        char path[64], target[64], link[80];
        snprintf(path, sizeof path, "ann/Maildir/%s", parts[i]);
        snprintf(target, sizeof target, "moved-%s", parts[i]);
        snprintf(link, sizeof link, "../../%s", target);
        assert_int_equal(renameat(fixture->root, path, fixture->root, target), 0);
        assert_int_equal(symlinkat(link, fixture->root, path), 0);
        add(fixture, "ann", MESSAGE);
        expect_one(fixture, JOB_DEFERRED, "4.3.0 Maildir/");
        assert_int_equal(unlinkat(fixture->root, path, 0), 0);
        assert_int_equal(renameat(fixture->root, target, fixture->root, path), 0);
    }
    add(fixture, "ann", MESSAGE);
    expect_one(fixture, JOB_DELIVERED, "2.0.0");
    assert_int_equal(names_in(fixture, "ann/Maildir/new", NULL), 2);
}

static void a_broken_maildir_is_deferred_and_not_repaired(void **state)
{
    struct fixture *const fixture = *state;
    add(fixture, "ann", MESSAGE);
    expect_one(fixture, JOB_DELIVERED, "2.0.0");
    assert_int_equal(unlinkat(fixture->root, "ann/Maildir/tmp", AT_REMOVEDIR), 0);
    add(fixture, "ann", MESSAGE);
    expect_one(fixture, JOB_DEFERRED, "4.3.0 Maildir/tmp must be a folder");
    int const file = openat(fixture->root, "ann/Maildir/tmp", O_CREAT | O_WRONLY, 0600);
    assert_true(file >= 0);
    close(file);
    add(fixture, "ann", MESSAGE);
    expect_one(fixture, JOB_DEFERRED, "4.3.0 Maildir/tmp must be a folder");
    assert_int_equal(unlinkat(fixture->root, "ann/Maildir/tmp", 0), 0);
    assert_int_equal(mkdirat(fixture->root, "ann/Maildir/tmp", 0700), 0);
    assert_int_equal(renameat(fixture->root, "ann/Maildir/new", fixture->root, "ann/Maildir/gone"),
                     0);
    add(fixture, "ann", MESSAGE);
    expect_one(fixture, JOB_DEFERRED, "4.3.0 Maildir/new must be a folder");
    assert_int_equal(mkfifoat(fixture->root, "ann/Maildir/new", 0600), 0);
    add(fixture, "ann", MESSAGE);
    expect_one(fixture, JOB_DEFERRED, "4.3.0 Maildir/new must be a folder");
}

static void a_mailbox_that_was_replaced_is_opened_anew(void **state)
{
    struct fixture *const fixture = *state;
    add(fixture, "ann", MESSAGE);
    expect_one(fixture, JOB_DELIVERED, "2.0.0");
    assert_int_equal(renameat(fixture->root, "ann", fixture->root, "old"), 0);
    add(fixture, "ann", MESSAGE);
    expect_one(fixture, JOB_DELIVERED, "2.0.0");
    expect_file(fixture, "old/Maildir/new", DELIVERED);
    expect_file(fixture, "ann/Maildir/new", DELIVERED);
    remove_tree(fixture->root, "ann");
    add(fixture, "ann", MESSAGE);
    expect_one(fixture, JOB_DELIVERED, "2.0.0");
    expect_file(fixture, "ann/Maildir/new", DELIVERED);
}

static void make_file(struct fixture const *fixture, char const *path, long seconds_ago)
{
    int const file = openat(fixture->root, path, O_CREAT | O_WRONLY, 0600);
    struct timespec const times[2] = {{.tv_sec = time(NULL) - seconds_ago},
                                      {.tv_sec = time(NULL) - seconds_ago}};
    assert_true(file >= 0);
    assert_int_equal(futimens(file, times), 0);
    close(file);
}

static void abandoned_files_are_removed(void **state)
{
    struct fixture *const fixture = *state;
    assert_int_equal(mkdirat(fixture->root, "ann", 0700), 0);
    assert_int_equal(mkdirat(fixture->root, "ann/Maildir", 0700), 0);
    assert_int_equal(mkdirat(fixture->root, "ann/Maildir/tmp", 0700), 0);
    assert_int_equal(mkdirat(fixture->root, "ann/Maildir/new", 0700), 0);
    assert_int_equal(mkdirat(fixture->root, "ann/Maildir/tmp/folder", 0700), 0);
    make_file(fixture, "ann/Maildir/tmp/old", MAILDIR_OLD_SECONDS + 60);
    make_file(fixture, "ann/Maildir/tmp/young", MAILDIR_OLD_SECONDS - 60);
    make_file(fixture, "ann/Maildir/new/old", MAILDIR_OLD_SECONDS + 60);
    add(fixture, "ann", MESSAGE);
    expect_one(fixture, JOB_DELIVERED, "2.0.0");
    assert_int_equal(faccessat(fixture->root, "ann/Maildir/tmp/old", F_OK, 0), -1);
    assert_int_equal(faccessat(fixture->root, "ann/Maildir/tmp/young", F_OK, 0), 0);
    assert_int_equal(faccessat(fixture->root, "ann/Maildir/tmp/folder", F_OK, 0), 0);
    assert_int_equal(faccessat(fixture->root, "ann/Maildir/new/old", F_OK, 0), 0);
    /* Not again before a day is over. */
    make_file(fixture, "ann/Maildir/tmp/old", MAILDIR_OLD_SECONDS + 60);
    add(fixture, "ann", MESSAGE);
    expect_one(fixture, JOB_DELIVERED, "2.0.0");
    assert_int_equal(faccessat(fixture->root, "ann/Maildir/tmp/old", F_OK, 0), 0);
    for (size_t i = 0; i < MAILBOX_CACHE; i++)
        fixture->batch->mailboxes.places[i].looked -= MAILBOX_LOOK_SECONDS;
    add(fixture, "ann", MESSAGE);
    expect_one(fixture, JOB_DELIVERED, "2.0.0");
    assert_int_equal(faccessat(fixture->root, "ann/Maildir/tmp/old", F_OK, 0), -1);
}

static void a_look_is_bounded(void **state)
{
    struct fixture *const fixture = *state;
    char path[64];
    add(fixture, "ann", MESSAGE);
    expect_one(fixture, JOB_DELIVERED, "2.0.0");
    mailbox_cache_free(&fixture->batch->mailboxes);
    for (int i = 0; i < MAILDIR_LOOK_MAX + 50; i++) {
        snprintf(path, sizeof path, "ann/Maildir/tmp/%d", i);
        make_file(fixture, path, MAILDIR_OLD_SECONDS + 60);
    }
    add(fixture, "ann", MESSAGE);
    expect_one(fixture, JOB_DELIVERED, "2.0.0");
    size_t const left = names_in(fixture, "ann/Maildir/tmp", NULL);
    assert_in_range(left, 50, 52); /* `.` and `..` are names too */
}

static void a_name_that_is_taken_is_never_replaced(void **state)
{
    struct fixture *const fixture = *state;
    struct failure failure;
    struct maildir_file file;
    char path[NAME_MAX + 64], first[MAILDIR_NAME_MAX + 1];
    struct mailbox *const mailbox = mailbox_open(&fixture->batch->mailboxes, "ann", &failure);
    assert_non_null(mailbox);
    assert_true(maildir_create(&file, mailbox, &fixture->batch->namer));
    snprintf(first, sizeof first, "%s", file.name);
    snprintf(path, sizeof path, "ann/Maildir/new/%s", first);
    assert_int_equal(symlinkat("nowhere", fixture->root, path), 0);
    maildir_close(&file);
    assert_true(maildir_publish(&file, &fixture->batch->namer));
    assert_string_not_equal(file.name, first);
    assert_int_equal(names_in(fixture, "ann/Maildir/new", NULL), 2);
    assert_int_equal(names_in(fixture, "ann/Maildir/tmp", NULL), 0);
    maildir_remove(&file);
    assert_int_equal(names_in(fixture, "ann/Maildir/new", NULL), 1);
    mailbox_release_all(&fixture->batch->mailboxes);
}

static void hosts_are_cleaned(void **state)
{
    (void)state;
    struct maildir_namer namer;
    char host[2 * MAILDIR_HOST_MAX] = "";
    maildir_namer_start(&namer, "a/b:c d\n.example");
    assert_string_equal(namer.host, "a\\057b\\072cd.example");
    maildir_namer_start(&namer, "");
    assert_string_equal(namer.host, "-");
    memset(host, '/', sizeof host - 1);
    maildir_namer_start(&namer, host);
    assert_int_equal(strlen(namer.host), MAILDIR_HOST_MAX);
}

static void damaged_messages_are_not_delivered(void **state)
{
    struct fixture *const fixture = *state;
    static char const *const damage[] = {"x", ""};
    for (size_t i = 0; i < 2; i++) { /* a changed byte; a file that is too short */
        struct job const job = {.number = 1,
                                .kind = JOB_MAILBOX,
                                .extension = "",
                                .target = "ann",
                                .recipient = RECIPIENT,
                                .sender = "",
                                .offset = 3,
                                .length = strlen(MESSAGE),
                                .sum = sum_of(MESSAGE, strlen(MESSAGE))};
        stralloc wire = STRALLOC_ZERO;
        assert_int_equal(ftruncate(fixture->message, 0), 0);
        assert_int_equal(pwrite(fixture->message, MESSAGE, strlen(MESSAGE), 3), strlen(MESSAGE));
        if (damage[i][0])
            assert_int_equal(pwrite(fixture->message, damage[i], 1, 20), 1);
        else
            assert_int_equal(ftruncate(fixture->message, 3 + (off_t)strlen(MESSAGE) - 1), 0);
        assert_true(job_format(&wire, &job));
        assert_int_equal(batch_add(fixture->batch, wire.s, wire.len, fixture->message),
                         BATCH_ADDED);
        stralloc_free(&wire);
        expect_one(fixture, JOB_CORRUPT, "4.3.0");
        assert_int_equal(names_in(fixture, "ann/Maildir/tmp", NULL), 0);
        assert_int_equal(names_in(fixture, "ann/Maildir/new", NULL), 0);
    }
}

static void a_loop_ends_here(void **state)
{
    struct fixture *const fixture = *state;
    add(fixture, "ann", "Received: x\nDelivered-To: Ann@EXAMPLE.org\n\nbody\n");
    expect_one(fixture, JOB_FAILED, "5.4.6");
    assert_int_equal(names_in(fixture, "ann/Maildir/tmp", NULL), 0);
    assert_int_equal(names_in(fixture, "ann/Maildir/new", NULL), 0);
    add(fixture, "ann", "Delivered-To: bob@example.org\n\nDelivered-To: " RECIPIENT "\n");
    expect_one(fixture, JOB_DELIVERED, "2.0.0");
}

/* More than a buffer, in header and body. */
static void large_messages_arrive_whole(void **state)
{
    struct fixture *const fixture = *state;
    size_t const size = 700001,
                 trace = strlen("Return-Path: <bob@example.net>\nDelivered-To: " RECIPIENT "\n");
    for (int in_header = 0; in_header < 2; in_header++) {
        char path[NAME_MAX + 64], name[NAME_MAX + 1];
        char *const message = malloc(size + 1), *const got = malloc(size + trace + 1);
        for (size_t i = 0; i < size; i++)
            message[i] = (char)('a' + i % 23);
        message[size] = 0;
        memcpy(message, in_header ? "A: " : "A: \n\n", in_header ? 3 : 5);
        char const *const box = in_header ? "header" : "body";
        add(fixture, box, message);
        expect_one(fixture, JOB_DELIVERED, "2.0.0");
        snprintf(path, sizeof path, "%s/Maildir/new", box);
        assert_int_equal(names_in(fixture, path, name), 1);
        snprintf(path, sizeof path, "%s/Maildir/new/%s", box, name);
        int const file = openat(fixture->root, path, O_RDONLY);
        assert_int_equal(read(file, got, size + trace + 1), size + trace);
        assert_memory_equal(got + trace, message, size);
        close(file);
        free(message);
        free(got);
    }
}

static void a_write_that_fails_is_deferred_without_a_trace(void **state)
{
    struct fixture *const fixture = *state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    add(fixture, "ann", MESSAGE);
    expect_one(fixture, JOB_DELIVERED, "2.0.0");
    struct rlimit const small = {.rlim_cur = strlen(DELIVERED) - 1, .rlim_max = before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    char const *const longer = MESSAGE; /* written before the limit holds */
    assert_int_equal(pwrite(fixture->message, longer, strlen(longer), 3), strlen(longer));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    add(fixture, "ann", MESSAGE);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    add(fixture, "ann", MESSAGE);
    finish(fixture);
    assert_int_equal(fixture->results[0], JOB_DEFERRED);
    assert_memory_equal(fixture->texts[0], "4.3.0 the message cannot be written", 35);
    assert_int_equal(fixture->results[1], JOB_DELIVERED);
    assert_int_equal(names_in(fixture, "ann/Maildir/tmp", NULL), 0);
    assert_int_equal(names_in(fixture, "ann/Maildir/new", NULL), 2);
}

static void full_disks_have_their_own_code(void **state)
{
    (void)state;
    static struct {
        int number;
        char const *text;
    } const cases[] = {{ENOSPC, "4.2.2 x: No space left on device (mailbox ann)"},
                       {EDQUOT, "4.2.2 x: Disk quota exceeded (mailbox ann)"},
                       {EIO, "4.3.0 x: Input/output error (mailbox ann)"},
                       {EROFS, "4.3.0 x: Read-only file system (mailbox ann)"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct failure failure;
        failure_system(&failure, "x", "ann", cases[i].number);
        assert_int_equal(failure.result, JOB_DEFERRED);
        assert_string_equal(failure.text, cases[i].text);
    }
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    for (int i = 0; i < 1024; i++)
        count += fcntl(i, F_GETFD) >= 0;
    return count;
}

/* Full batches of different mailboxes: more than the cache holds, so that its places change hands.
 */
static void many_mailboxes_share_the_cache(void **state)
{
    struct fixture *const fixture = *state;
    size_t const before = open_descriptors();
    for (size_t round = 0; round < 4; round++) {
        for (size_t i = 0; i < BATCH_MAX; i++) {
            char name[16];
            snprintf(name, sizeof name, "u%zu", (round * BATCH_MAX + i) % 150);
            add(fixture, name, MESSAGE);
        }
        finish(fixture);
        assert_int_equal(fixture->answers, BATCH_MAX);
        for (size_t i = 0; i < BATCH_MAX; i++)
            assert_int_equal(fixture->results[i], JOB_DELIVERED);
    }
    size_t total = 0;
    for (size_t i = 0; i < 150; i++) {
        char path[32];
        snprintf(path, sizeof path, "u%zu/Maildir/new", i);
        total += names_in(fixture, path, NULL);
    }
    assert_int_equal(total, 4 * BATCH_MAX);
    assert_int_equal(open_descriptors(), before + 2 * MAILBOX_CACHE);
    mailbox_cache_free(&fixture->batch->mailboxes);
    assert_int_equal(open_descriptors(), before);
}

static unsigned int syncs;
int __real_fsync(int descriptor);
int __wrap_fsync(int descriptor);

int __wrap_fsync(int descriptor)
{
    syncs++;
    return __real_fsync(descriptor);
}

static time_t ahead; /* seconds that the clock of those who ask is ahead */
time_t __real_time(time_t *result);
time_t __wrap_time(time_t *result);

time_t __wrap_time(time_t *result)
{
    time_t const now = __real_time(NULL) + ahead;
    if (result)
        *result = now;
    return now;
}

/* How often it syncs to open the mailbox NAME, which is made where it is missing. */
static unsigned int syncs_of(struct fixture const *fixture, char const *name)
{
    struct failure failure;
    syncs = 0;
    int const maildir = mailbox_make(fixture->root, name, &failure);
    assert_true(maildir >= 0);
    close(maildir);
    return syncs;
}

static void a_new_mailbox_is_made_durable_once(void **state)
{
    struct fixture *const fixture = *state;
    ahead = -60; /* another one with its inode may still have its time */
    assert_int_equal(syncs_of(fixture, "ann"), 4); /* its parts; Maildir, ann, the root */
    assert_int_equal(syncs_of(fixture, "ann"), 3);
    ahead = 60;
    assert_int_equal(syncs_of(fixture, "ann"), 3);
    assert_int_equal(syncs_of(fixture, "ann"), 0);
    assert_int_equal(syncs_of(fixture, "bob"), 4);
    assert_int_equal(syncs_of(fixture, "ann"), 0);
    /* Another one, and so what has been renamed is, though it has the inode. */
    assert_int_equal(renameat(fixture->root, "ann/Maildir", fixture->root, "bob/was"), 0);
    usleep(20000); /* a tick of the clock that files are stamped by */
    assert_int_equal(renameat(fixture->root, "bob/was", fixture->root, "ann/Maildir"), 0);
    assert_int_equal(syncs_of(fixture, "ann"), 3);
    assert_int_equal(syncs_of(fixture, "ann"), 0);
    ahead = 0;
}

static void a_batch_fits_one_mailbox(void **state)
{
    struct fixture *const fixture = *state;
    for (size_t i = 0; i < BATCH_MAX; i++)
        add(fixture, "ann", MESSAGE);
    finish(fixture);
    assert_int_equal(fixture->answers, BATCH_MAX);
    assert_int_equal(names_in(fixture, "ann/Maildir/new", NULL), BATCH_MAX);
    assert_int_equal(names_in(fixture, "ann/Maildir/tmp", NULL), 0);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(a_missing_mailbox_is_made_and_gets_its_mail, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_a_crash_left_is_taken_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(quoted_and_empty_addresses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_path_that_leads_out_is_deferred, set_up, tear_down),
        cmocka_unit_test_setup_teardown(links_are_never_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_broken_maildir_is_deferred_and_not_repaired, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_mailbox_that_was_replaced_is_opened_anew, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(abandoned_files_are_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_look_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_that_is_taken_is_never_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_messages_are_not_delivered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_loop_ends_here, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_messages_arrive_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_write_that_fails_is_deferred_without_a_trace, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(many_mailboxes_share_the_cache, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_new_mailbox_is_made_durable_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_batch_fits_one_mailbox, set_up, tear_down),
        cmocka_unit_test(paths_stay_below_the_root),
        cmocka_unit_test(hosts_are_cleaned),
        cmocka_unit_test(full_disks_have_their_own_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
