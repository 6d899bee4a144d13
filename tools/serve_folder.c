#include "tools/serve_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "configured.h"
#include "deliver/mailbox_make.h"
#include "lib/log.h"
#include "lib/privilege.h"

#define EXIT_CONFIGURATION 100
#define EXIT_TEMPORARY     111

/* What a new folder says; `postmaster` reaches a person from the start. */
static struct {
    char const *name, *text;
} const defaults[] = {
    {"me", "demo.example\n"},
    {"locals", "demo.example\n"},
    {"rcpthosts", "demo.example\n"},
    {"users", "alice\nbob\npostmaster:alice\n"},
};

_Noreturn static void die(int code, char const *what, int number)
{
    log_failure("not-served", what, number);
    _exit(code);
}

/* Sets PATH to FOLDER/NAME with its NUL. Dies with 111 when out of memory. */
static void join(stralloc *path, char const *folder, char const *name)
{
    if (!stralloc_copys(path, folder) || !stralloc_cats(path, "/") || !stralloc_cats(path, name) ||
        !stralloc_0(path))
        die(EXIT_TEMPORARY, "out of memory", errno);
}

static void make_folder(char const *path, mode_t mode)
{
    if (mkdir(path, mode) != 0 && errno != EEXIST)
        die(EXIT_CONFIGURATION, path, errno);
}

static void make_control(char const *folder)
{
    stralloc path = STRALLOC_ZERO;
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) {
        size_t const length = strlen(defaults[i].text);
        join(&path, folder, defaults[i].name);
        int const file = open(path.s, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (file < 0 && errno == EEXIST)
            continue;
        if (file < 0 || write(file, defaults[i].text, length) != (ssize_t)length ||
            close(file) != 0)
            die(EXIT_CONFIGURATION, path.s, errno);
    }
    stralloc_free(&path);
}

/* One server a folder. The lock lasts as long as this process, however it ends. */
static void lock_folder(char const *root)
{
    int const folder = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        die(EXIT_CONFIGURATION, root, errno);
    if (flock(folder, LOCK_EX | LOCK_NB) != 0)
        die(EXIT_TEMPORARY, "another ekiden-serve uses this folder", errno);
}

/* The mailboxes of a new folder, made as their owner before the first mail comes, so that a person
 * or a mail program finds them at once. */
static void make_mailboxes(char const *mail, struct privilege_user const *owner)
{
    static char const *const mailboxes[] = {"alice", "bob"};
    int const root = open(mail, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status;
    pid_t const child = root < 0 ? -1 : fork();
    if (child < 0)
        die(EXIT_TEMPORARY, mail, errno);
    if (child == 0) {
        privilege_drop(owner, NULL);
        for (size_t i = 0; i < sizeof mailboxes / sizeof *mailboxes; i++) {
            struct failure failure;
            failure_clear(&failure);
            if (mailbox_make(root, mailboxes[i], &failure) < 0)
                die(EXIT_TEMPORARY, failure.text, 0);
        }
        _exit(0);
    }
    close(root);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        _exit(EXIT_TEMPORARY);
}

/* Settings are files. A certificate (tls/) or users (auth/) may be there before the first start,
 * and decide nothing about the rest. */
static bool has_settings(char const *path)
{
    struct stat status;
    DIR *const folder = opendir(path);
    if (!folder)
        die(EXIT_CONFIGURATION, path, errno);
    bool found = false;
    errno = 0;
    for (struct dirent const *entry; !found && (entry = readdir(folder)); errno = 0)
        found = fstatat(dirfd(folder), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                !S_ISDIR(status.st_mode);
    if (errno)
        die(EXIT_CONFIGURATION, path, errno);
    closedir(folder);
    return found;
}

void serve_folder_make(struct serve_folder *folder, char const *root)
{
    struct privilege_user owner;
    make_folder(root, 0755);
    lock_folder(root);
    join(&folder->control, root, "control");
    join(&folder->queue, root, "queue");
    join(&folder->mail, root, "mail");
    join(&folder->inject, root, "inject");
    join(&folder->state, root, "state");
    join(&folder->judge, root, "judge");
    make_folder(folder->control.s, 0755);
    bool const fresh = !has_settings(folder->control.s);
    if (fresh)
        make_control(folder->control.s);
    make_folder(folder->queue.s, 0770);
    make_folder(folder->mail.s, 0750);
    if (!privilege_find(&owner, CONFIGURED_USER_LOCAL))
        _exit(EXIT_CONFIGURATION);
    if (privilege_is_root() && chown(folder->mail.s, owner.uid, owner.gid) != 0)
        die(EXIT_TEMPORARY, folder->mail.s, errno);
    if (fresh)
        make_mailboxes(folder->mail.s, &owner);
}
