#include "lib/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"

#define FILE_MAX (64u << 10)
#define KEY_MIN  8
#define KEY_MAX  512
#define EXPECTED "a key of 8 to 512 bytes"
#define NO_LINE  "a line that is not shown, for it is a secret"

struct loading {
    struct secret_file *file;
    size_t room;
};

static bool fail(struct control_error *error, char const *hint)
{
    return control_fail_hint(error, EXPECTED, NO_LINE, strlen(NO_LINE), hint);
}

static bool add_key(void *context, char const *line, size_t length, unsigned int number,
                    struct control_error *error)
{
    struct loading *const loading = context;
    struct secret_file *const file = loading->file;
    (void)number;
    if (length < KEY_MIN || length > KEY_MAX || memchr(line, 0, length))
        return fail(error, "take one from `openssl rand -base64 24`");
    if (length + 1 > loading->room - file->size)
        return fail(error, "the file grew while it was read");
    memcpy(file->bytes + file->size, line, length);
    file->size += length;
    file->bytes[file->size++] = 0;
    return true;
}

static void log_refusal(char const *path, char const *next, char const *reason, int number)
{
    struct log_line line;
    log_begin(&line, "keys-refused");
    log_text(&line, "file", path);
    log_text(&line, "reason", reason);
    if (number)
        log_errno(&line, number);
    log_text(&line, "next", next);
    log_write(&line);
}

/* Whoever is in the group may read what is there for the group: that is meant only where the file
 * is not this user's own, but root's (or this is root). */
static bool is_others(struct stat const *status)
{
    uid_t const own = geteuid();
    if (status->st_mode & (S_IRWXO | S_IWGRP | S_IXGRP))
        return true;
    return (status->st_mode & S_IRGRP) && own != 0 && status->st_uid == own;
}

/* Why the file cannot be used; NULL when it can. *number is errno, or 0. */
static char const *find_fault(struct control const *control, char const *name,
                              struct stat const *status, int *number)
{
    *number = 0;
    if (is_others(status))
        return "its mode lets others use it; chmod 640 and chgrp to the scheduler's group "
               "(or 600 where all is one user's), and change the keys if others may have "
               "read them";
    if (faccessat(control->directory, name, R_OK, AT_EACCESS) == 0)
        return NULL;
    *number = errno;
    return "it cannot be read; chgrp to the scheduler's group and chmod 640";
}

static enum control_result read_keys(struct secret_file *file, struct control const *control,
                                     char const *name, char const *next,
                                     struct control_error *error)
{
    struct stat status;
    char path[CONTROL_ERROR_MAX];
    char const *fault = "it cannot be looked at";
    int number = 0;
    control_ask(control, name);
    if (fstatat(control->directory, name, &status, 0) == 0)
        fault = find_fault(control, name, &status, &number);
    else if (errno == ENOENT)
        return CONTROL_ABSENT;
    else
        number = errno;
    if (fault) {
        snprintf(path, sizeof path, "%s/%s", control->path, name);
        if (!control_refuse(control, name, fault, number))
            log_refusal(path, next, fault, number);
        file->refused = true;
        return CONTROL_OK;
    }
    if (status.st_size > (off_t)FILE_MAX)
        return control_problem(control, name, error, "expected a file of at most 64 KiB");
    struct loading loading = {.file = file, .room = (size_t)status.st_size + 2};
    file->bytes = malloc(loading.room);
    if (!file->bytes)
        return control_problem(control, name, error, strerror(ENOMEM));
    return control_secret_lines(control, name, add_key, &loading, error);
}

enum control_result secret_file_load(struct secret_file *file, struct control const *control,
                                     char const *name, char const *next,
                                     struct control_error *error)
{
    struct secret_file loaded = {.size = 0};
    enum control_result const result = read_keys(&loaded, control, name, next, error);
    if (result == CONTROL_ERROR)
        secret_file_free(&loaded);
    else
        *file = loaded;
    return result;
}

void secret_file_free(struct secret_file *file)
{
    if (file->bytes)
        explicit_bzero(file->bytes, file->size);
    free(file->bytes);
    *file = (struct secret_file){.size = 0};
}

bool secret_file_is_on(struct secret_file const *file)
{
    return file->size > 0 || file->refused;
}

struct secret_keys secret_file_keys(struct secret_file const *file)
{
    return (struct secret_keys){.bytes = file->bytes, .size = file->size};
}
