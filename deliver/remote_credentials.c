#include "deliver/remote_credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/smtproutes.h"

#define FILE_NAME "authroutes"
#define FILE_MAX  (1u << 20)
/* AUTH PLAIN: the text in base64 fits a line that every server takes (RFC 4954 4: 12288 octets) by
 * far, and a CONTROL_LINE_MAX holds all three. */
#define PART_MAX 1024
#define EXPECTED "REFERENCE:USER:PASSWORD"
#define NO_LINE  "a line that is not shown, for it holds a password"
#define HINT                                                                                       \
    "REFERENCE is made of letters, digits, `.`, `-`, `_`, `@`; USER and PASSWORD are not empty, "  \
    "1024 bytes at most, and without control characters"
#define HINT_TWICE "this REFERENCE stood on a line before; leave one of the two"

struct loading {
    struct remote_credentials *credentials;
    size_t room;
};

static bool fail(struct control_error *error, char const *hint)
{
    return control_fail_hint(error, EXPECTED, NO_LINE, strlen(NO_LINE), hint);
}

static bool is_text(char const *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    return length > 0 && length <= PART_MAX;
}

static void add(struct remote_credentials *credentials, char const *text, size_t length)
{
    memcpy(credentials->bytes + credentials->size, text, length);
    credentials->size += length;
    credentials->bytes[credentials->size++] = 0;
}

static bool add_entry(void *context, char const *line, size_t length, unsigned int number,
                      struct control_error *error)
{
    struct loading *const loading = context;
    struct remote_credentials *const credentials = loading->credentials;
    char const *const end = line + length;
    char const *const first = memchr(line, ':', length);
    char const *const second = first ? memchr(first + 1, ':', (size_t)(end - (first + 1))) : NULL;
    char const *unused;
    (void)number;
    if (!second || !smtproutes_is_reference(line, (size_t)(first - line)) ||
        !is_text(first + 1, (size_t)(second - (first + 1))) ||
        !is_text(second + 1, (size_t)(end - (second + 1))))
        return fail(error, HINT);
    if (length + 1 > loading->room - credentials->size)
        return fail(error, "the file grew while it was read");
    size_t const before = credentials->size;
    add(credentials, line, (size_t)(first - line));
    struct remote_credentials const others = {.bytes = credentials->bytes, .size = before};
    if (remote_credentials_find(&others, credentials->bytes + before, &unused, &unused))
        return fail(error, HINT_TWICE);
    add(credentials, first + 1, (size_t)(second - (first + 1)));
    add(credentials, second + 1, (size_t)(end - (second + 1)));
    return true;
}

/* Mail that needs none of them does not wait for the operator. */
static enum control_result refuse(struct remote_credentials *credentials,
                                  struct control const *control, char const *reason, int number)
{
    struct log_line line;
    char path[CONTROL_ERROR_MAX];
    *credentials = (struct remote_credentials){.refused = true};
    if (control_refuse(control, FILE_NAME, reason, number))
        return CONTROL_OK;
    snprintf(path, sizeof path, "%s/%s", control->path, FILE_NAME);
    log_begin(&line, "credentials-refused");
    log_text(&line, "file", path);
    log_text(&line, "reason", reason);
    if (number)
        log_errno(&line, number);
    log_write(&line);
    return CONTROL_OK;
}

static enum control_result read_file(struct remote_credentials *credentials,
                                     struct control const *control, size_t size,
                                     struct control_error *error)
{
    struct remote_credentials loaded = {.size = 0};
    struct loading loading = {.credentials = &loaded, .room = size + 2};
    loaded.bytes = malloc(loading.room);
    if (!loaded.bytes)
        return control_problem(control, FILE_NAME, error, strerror(ENOMEM));
    enum control_result const result =
        control_secret_lines(control, FILE_NAME, add_entry, &loading, error);
    if (result == CONTROL_OK)
        *credentials = loaded;
    else
        remote_credentials_free(&loaded);
    return result;
}

enum control_result remote_credentials_load(struct remote_credentials *credentials,
                                            struct control const *control,
                                            struct control_error *error)
{
    struct stat status;
    control_ask(control, FILE_NAME);
    if (fstatat(control->directory, FILE_NAME, &status, 0) != 0)
        return errno == ENOENT ? CONTROL_ABSENT
                               : refuse(credentials, control, "it cannot be looked at", errno);
    if (status.st_mode & (S_IRWXG | S_IRWXO))
        return refuse(credentials, control,
                      "its mode lets others than its owner use it; chmod 600, and change the "
                      "passwords if others may have read them",
                      0);
    if (faccessat(control->directory, FILE_NAME, R_OK, AT_EACCESS) != 0)
        return refuse(credentials, control,
                      "ekiden-remote cannot read it; make its user the file's owner (chown)",
                      errno);
    if (status.st_size > (off_t)FILE_MAX)
        return control_problem(control, FILE_NAME, error, "expected a file of at most 1 MiB");
    return read_file(credentials, control, (size_t)status.st_size, error);
}

/* The string behind TEXT. */
static char const *next(char const *text)
{
    return text + strlen(text) + 1;
}

bool remote_credentials_find(struct remote_credentials const *credentials, char const *reference,
                             char const **user, char const **password)
{
    if (!credentials->bytes)
        return false;
    char const *const end = credentials->bytes + credentials->size;
    for (char const *entry = credentials->bytes; entry < end; entry = next(next(next(entry))))
        if (!strcmp(entry, reference)) {
            *user = next(entry);
            *password = next(*user);
            return true;
        }
    return false;
}

void remote_credentials_keep(struct remote_credentials *credentials, char const *reference)
{
    char const *user, *password;
    size_t kept = 0;
    if (remote_credentials_find(credentials, reference, &user, &password)) {
        char const *const entry = user - (strlen(reference) + 1);
        kept = (size_t)(next(password) - entry);
        memmove(credentials->bytes, entry, kept);
    }
    if (credentials->bytes)
        explicit_bzero(credentials->bytes + kept, credentials->size - kept);
    credentials->size = kept;
}

void remote_credentials_free(struct remote_credentials *credentials)
{
    if (credentials->bytes)
        explicit_bzero(credentials->bytes, credentials->size);
    free(credentials->bytes);
    *credentials = (struct remote_credentials){.bytes = NULL};
}
