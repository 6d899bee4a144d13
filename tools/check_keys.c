/* The pairs below tls/, each read and judged as the key process does it, as its user. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "configured.h"
#include "tls/key_sessions.h"
#include "tls/key_store.h"
#include "tools/check.h"

#define DAYS_WARNED     14 /* Let's Encrypt's are renewed 30 days before they end */
#define SECONDS_PER_DAY 86400

/* The name that a client would ask for, to be answered from FOLDER. */
static bool is_asked_for(char const *folder)
{
    struct key_folders folders;
    char name[KEY_FOLDER_MAX + 2];
    bool const wildcard = folder[0] == '_' && folder[1] == '.';
    if (!strcmp(folder, KEY_FOLDER_DEFAULT))
        return true;
    int const length = snprintf(name, sizeof name, "%s%s", wildcard ? "x" : "", folder + wildcard);
    key_folders_find(&folders, name, length > 0 ? (size_t)length : 0);
    return folders.count > 1 && !strcmp(folders.names[wildcard], folder);
}

static bool is_open_to_all(struct checked const *check, char const *folder)
{
    char path[KEY_FOLDER_MAX + 20];
    struct stat status;
    snprintf(path, sizeof path, "tls/%s/key.pem", folder);
    return fstatat(check->control.directory, path, &status, 0) == 0 && status.st_mode & S_IROTH;
}

static void look_folder(struct checked const *check, struct key_store *store, char const *folder)
{
    char const *const path = check->control.path;
    struct key_problem const *problem;
    if (!is_asked_for(folder)) {
        check_tell(CHECK_WARNING,
                   "%s/tls/%s: no client can ask for this name; expected default, a host's name in "
                   "lower case, or _.PARENT; rename the folder, or remove it",
                   path, folder);
        return;
    }
    struct key_pair const *const pair = key_store_look(store, folder, &problem);
    if (!pair) {
        check_tell(CHECK_ERROR, "%s/tls/%s/%s: %s; expected a pair that fits and is valid; %s",
                   path, folder, problem->file, problem->what, problem->hint);
        return;
    }
    long const days = (long)((pair->ends - time(NULL)) / SECONDS_PER_DAY);
    if (is_open_to_all(check, folder))
        check_tell(
            CHECK_WARNING,
            "%s/tls/%s/key.pem: every user of this host can read it; expected a key that the "
            "key process alone reads; chmod 640 and chgrp " CONFIGURED_USER_KEY,
            path, folder);
    if (days < DAYS_WARNED)
        check_tell(CHECK_WARNING,
                   "%s/tls/%s/chain.pem: the certificate ends in %ld days; expected %d or more; "
                   "renew it, and find out why nobody did",
                   path, folder, days, DAYS_WARNED);
    check_tell(CHECK_GOOD, "%s/tls/%s: %s-%u, ends in %ld days", path, folder,
               pair->type == KEY_RSA ? "RSA" : "P", pair->size, days);
}

static void look_keys(struct checked const *check)
{
    static struct key_store store;
    struct control_error error;
    uint64_t seconds;
    struct dirent const *entry;
    int const folder = openat(check->control.directory, "tls", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *const folders = folder < 0 ? NULL : fdopendir(folder);
    (void)control_number(&check->control, "tlsresumption", &seconds, 0, KEY_SESSIONS_SECONDS_MAX,
                         &error);
    if (!folders && faccessat(check->control.directory, "tls", F_OK, 0) == 0)
        check_tell(CHECK_ERROR,
                   "%s/tls: the key process cannot look into it; expected a folder "
                   "that " CONFIGURED_USER_KEY " may read; chmod 755",
                   check->control.path);
    key_store_start(&store, &check->control);
    while (folders && (entry = readdir(folders)))
        if (entry->d_name[0] != '.')
            look_folder(check, &store, entry->d_name);
}

void check_keys(struct checked const *check)
{
    check_as(CONFIGURED_USER_KEY, "ekiden-tls", look_keys, check);
}
