#include "auth/password_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW_FILE "." PASSWORDS_FILE ".new"
#define COMPILED                                                                                   \
    PASSWORDS_FILE ".cdb" /* of a large file, by ekiden-auth; it may hold who is gone */

static enum password_file_result fail(struct passwords const *passwords,
                                      struct control_error *error, char const *what)
{
    char text[CONTROL_ERROR_MAX];
    snprintf(text, sizeof text, "%s: %s", what, strerror(errno));
    control_problem(&passwords->folder, PASSWORDS_FILE, error, text);
    return PASSWORD_FILE_FAILED;
}

/* True when LINE, with its line end, is about LOGIN. */
static bool is_about(char const *line, size_t length, char const *login)
{
    char found[LOGIN_MAX + 1];
    char const *hash;
    size_t hash_length;
    while (length > 0 && strchr(" \t\n", line[length - 1]) && line[length - 1])
        length--;
    while (length > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        length--;
    }
    return passwords_split(found, &hash, &hash_length, line, length) && strcmp(found, login) == 0;
}

static bool write_line(FILE *to, char const *login, char const *hash)
{
    return fprintf(to, "%s:%s\n", login, hash) > 0;
}

/* Copies FROM (NULL: there is no file yet) to TO with the change. The first line of a login is the
 * one that counts: it is replaced, and others of it go. */
static enum password_file_result copy(FILE *from, FILE *to, enum password_change change,
                                      char const *login, char const *hash)
{
    char *line = NULL;
    size_t space = 0;
    ssize_t length;
    bool found = false, good = true, ended = true;
    while (good && from && (length = getline(&line, &space, from)) > 0) {
        if (!is_about(line, (size_t)length, login)) {
            good = fwrite(line, 1, (size_t)length, to) == (size_t)length;
            ended = line[length - 1] == '\n';
            continue;
        }
        if (!found && change == PASSWORD_CHANGE)
            good = write_line(to, login, hash);
        found = true;
    }
    good = good && (!from || (feof(from) && !ferror(from)));
    if (line)
        explicit_bzero(line, space);
    free(line);
    if (found && change == PASSWORD_ADD)
        return PASSWORD_FILE_THERE;
    if (!found && change != PASSWORD_ADD)
        return PASSWORD_FILE_ABSENT;
    if (good && change == PASSWORD_ADD)
        good = (ended || fputc('\n', to) != EOF) && write_line(to, login, hash);
    return good ? PASSWORD_FILE_OK : PASSWORD_FILE_FAILED;
}

static FILE *open_old(struct passwords const *passwords, struct control_error *error, bool *refused)
{
    struct stat status;
    int const old = openat(passwords->folder.directory, PASSWORDS_FILE,
                           O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    *refused = true;
    if (old < 0) {
        *refused = errno != ENOENT;
        if (*refused)
            fail(passwords, error, "cannot be opened");
        return NULL;
    }
    if (fstat(old, &status) != 0 || !S_ISREG(status.st_mode))
        control_problem(&passwords->folder, PASSWORDS_FILE, error, "expected a regular file");
    else if (passwords_judge(passwords, PASSWORDS_FILE, &status, error) == CONTROL_OK)
        *refused = false;
    FILE *const file = *refused ? NULL : fdopen(old, "r");
    if (!file) {
        if (!*refused)
            fail(passwords, error, "cannot be read");
        *refused = true;
        close(old);
    }
    return file;
}

static enum password_file_result replace(struct passwords const *passwords,
                                         enum password_change change, char const *login,
                                         char const *hash, struct control_error *error)
{
    int const folder = passwords->folder.directory;
    bool refused;
    FILE *const from = open_old(passwords, error, &refused);
    if (refused)
        return PASSWORD_FILE_FAILED;
    /* Left by one that was killed: nobody else is at work, the lock says. */
    (void)unlinkat(folder, NEW_FILE, 0);
    int const new = openat(folder, NEW_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *const to = new < 0 ? NULL : fdopen(new, "w");
    enum password_file_result result = PASSWORD_FILE_FAILED;
    errno = to ? 0 : errno;
    if (to)
        result = copy(from, to, change, login, hash);
    if (result == PASSWORD_FILE_OK &&
        (fflush(to) != 0 || fsync(fileno(to)) != 0 ||
         renameat(folder, NEW_FILE, folder, PASSWORDS_FILE) != 0 || fsync(folder) != 0))
        result = PASSWORD_FILE_FAILED;
    if (result == PASSWORD_FILE_OK)
        (void)unlinkat(folder, COMPILED, 0);
    if (result == PASSWORD_FILE_FAILED)
        fail(passwords, error, "cannot be written anew");
    if (result != PASSWORD_FILE_OK)
        (void)unlinkat(folder, NEW_FILE, 0);
    if (from)
        fclose(from);
    if (to)
        fclose(to);
    return result;
}

enum password_file_result password_file_change(struct passwords const *passwords,
                                               enum password_change change, char const *login,
                                               char const *hash, struct control_error *error)
{
    int const folder = passwords->folder.directory;
    int locked;
    do
        locked = flock(folder, LOCK_EX);
    while (locked != 0 && errno == EINTR);
    if (locked != 0)
        return fail(passwords, error, "cannot be locked");
    enum password_file_result const result = replace(passwords, change, login, hash, error);
    (void)flock(folder, LOCK_UN);
    return result;
}
