#include "lib/store_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"

#define BOOT_FILE "/proc/sys/kernel/random/boot_id"
#define BOOT_SIZE 36

/* The one that is worked on now: a process has one transaction at a time. */
static struct store *volatile guarded;
/* The last one that was: what a page has done to the heap may show later. */
static struct store *volatile touched;
static sigjmp_buf back;

static bool read_boot(char boot[BOOT_SIZE + 1])
{
    int const file = open(BOOT_FILE, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t const length = read(file, boot, BOOT_SIZE);
    close(file);
    boot[BOOT_SIZE] = 0;
    return length == BOOT_SIZE && !strchr(boot, '/');
}

void store_file_name(struct store *store)
{
    char boot[BOOT_SIZE + 1];
    store->synced = !store->form->until_boot || !read_boot(boot);
    if (store->synced)
        snprintf(store->file, sizeof store->file, "%s", store->form->file);
    else
        snprintf(store->file, sizeof store->file, "%s-%s", store->form->file, boot);
}

enum store_file store_file_look(struct store const *store, int descriptor, bool *same)
{
    struct stat named, open_one;
    *same = false;
    if (lstat(store->file, &named) != 0)
        return errno == ENOENT ? STORE_FILE_ABSENT : STORE_FILE_ODD;
    *same = descriptor >= 0 && fstat(descriptor, &open_one) == 0 &&
            open_one.st_ino == named.st_ino && open_one.st_dev == named.st_dev;
    return S_ISREG(named.st_mode) ? STORE_FILE_GOOD : STORE_FILE_ODD;
}

void store_file_set_aside(struct store const *store, char const *why)
{
    char aside[STORE_NAME_MAX + 5];
    struct log_line line;
    snprintf(aside, sizeof aside, "%s.bad", store->form->file);
    int const failed =
        !store->read_only && rename(store->file, aside) != 0 && errno != ENOENT ? errno : 0;
    log_begin(&line, "store-damaged");
    log_text(&line, "file", store->file);
    log_text(&line, "what", why);
    if (!store->read_only) {
        log_text(&line, "kept-as", aside);
        log_text(&line, "do", "nothing: a new one is made, and counts begin again");
    }
    if (failed)
        log_errno(&line, failed);
    log_write(&line);
}

void store_file_remove_former(struct store const *store)
{
    size_t const length = strlen(store->form->file);
    DIR *const folder = store->synced ? NULL : opendir(".");
    struct dirent const *entry;
    while (folder && (entry = readdir(folder)))
        if (!strncmp(entry->d_name, store->form->file, length) && entry->d_name[length] == '-' &&
            strcmp(entry->d_name, store->file) != 0)
            unlink(entry->d_name);
    if (folder)
        closedir(folder);
}

/* --- damage --- */

static void give_up(struct store *store, char const *why)
{
    guarded = NULL;
    store->given_up = true;
    store_file_set_aside(store, why);
    siglongjmp(back, 1);
}

static void on_damage(int number)
{
    struct store *const store = touched;
    bool const may_go_on = guarded && !store->given_up && number != SIGABRT;
    if (may_go_on)
        give_up(store, number == SIGBUS ? "the file was cut" : "its contents lead nowhere");
    if (!store || (!guarded && !store->transaction && !store->given_up)) {
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    /* The heap is broken: nothing goes on here. */
    touched = guarded = NULL;
    if (!store->given_up)
        store_file_set_aside(store, "its contents lead nowhere");
    _exit(111);
}

static void on_assertion(MDB_env *env, char const *what)
{
    (void)env;
    if (guarded)
        give_up(guarded, what);
    _exit(111);
}

int store_file_guard(struct store *store, store_file_act *act, void *argument)
{
    if (sigsetjmp(back, 0) != 0)
        return MDB_CORRUPTED;
    guarded = touched = store;
    int const result = act(store, argument);
    guarded = NULL;
    return result;
}

void store_file_catch(void)
{
    /* SA_NODEFER: the handler does not return, and a second damage must not be a death. */
    struct sigaction const action = {.sa_handler = on_damage, .sa_flags = SA_NODEFER};
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGABRT, &action, NULL);
    signal(SIGXFSZ, SIG_IGN);
}

int store_file_catch_assertions(MDB_env *env)
{
    return mdb_env_set_assert(env, on_assertion);
}
