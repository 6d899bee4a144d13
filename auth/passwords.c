#include "auth/passwords.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/cdb.h>

bool passwords_split(char *login, char const **hash, size_t *hash_length, char const *line,
                     size_t length)
{
    char const *const colon = memchr(line, ':', length);
    if (!colon || !login_read(login, line, (size_t)(colon - line)))
        return false;
    *hash = colon + 1;
    *hash_length = length - (size_t)(*hash - line);
    return true;
}

bool passwords_parse(char const *line, size_t length, struct table_entry *entry,
                     struct control_error *error)
{
    static char key[TABLE_KEY_MAX];
    char login[LOGIN_MAX + 1];
    (void)error;
    if (passwords_split(login, &entry->value, &entry->value_length, line, length)) {
        entry->key = line;
        entry->key_length = strlen(login);
        return true;
    }
    /* No login holds a control character, so nobody finds this. */
    entry->key_length = length < sizeof key ? length + 1 : sizeof key;
    key[0] = 1;
    memcpy(key + 1, line, entry->key_length - 1);
    entry->key = key;
    entry->value = "";
    entry->value_length = 0;
    return true;
}

enum control_result passwords_judge(struct passwords const *passwords, char const *name,
                                    struct stat const *status, struct control_error *error)
{
    char text[128];
    if (!(status->st_mode & 077))
        return CONTROL_OK;
    bool const folder = S_ISDIR(status->st_mode);
    snprintf(text, sizeof text, "mode %04o lets others than its owner in: chmod %s it",
             (unsigned int)status->st_mode & 07777, folder ? "700" : "600");
    return control_problem(&passwords->folder, name, error, text);
}

enum control_result passwords_open(struct passwords *passwords, struct control const *control,
                                   struct control_error *error)
{
    struct stat status;
    *passwords = (struct passwords){
        .folder = {.directory = -1, .path = passwords->path, .observer = control->observer},
        .table = TABLE_ZERO};
    snprintf(passwords->path, sizeof passwords->path, "%s/" PASSWORDS_FOLDER, control->path);
    control_ask(control, PASSWORDS_FOLDER);
    passwords->folder.directory = openat(control->directory, PASSWORDS_FOLDER,
                                         O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (passwords->folder.directory < 0 && errno == ENOENT)
        return CONTROL_ABSENT;
    if (passwords->folder.directory < 0)
        return control_problem(control, PASSWORDS_FOLDER, error,
                               errno == EACCES ? "it is for root and its owner alone"
                                               : strerror(errno));
    if (fstat(passwords->folder.directory, &status) != 0)
        return control_problem(control, PASSWORDS_FOLDER, error, strerror(errno));
    return passwords_judge(passwords, ".", &status, error);
}

enum control_result passwords_load(struct passwords *passwords, struct control_error *error)
{
    struct stat status;
    if (fstatat(passwords->folder.directory, PASSWORDS_FILE, &status, 0) == 0 &&
        passwords_judge(passwords, PASSWORDS_FILE, &status, error) != CONTROL_OK)
        return CONTROL_ERROR;
    return table_load(&passwords->table, &passwords->folder, PASSWORDS_FILE, passwords_parse,
                      error);
}

/* Stops at the line of a login, so that the message names it. */
static bool stop_at_login(void *context, char const *line, size_t length, unsigned int number,
                          struct control_error *error)
{
    char const *const wanted = context;
    char login[LOGIN_MAX + 1];
    char const *hash;
    size_t hash_length;
    (void)number;
    if (!passwords_split(login, &hash, &hash_length, line, length) || strcmp(login, wanted) != 0)
        return true;
    char const *const refusal = hash_refusal(hash, hash_length);
    snprintf(error->text, sizeof error->text, "%s", refusal ? refusal : "the line has changed");
    return false; /* control_lines puts path and number before it */
}

/* The hash of somebody else: the first of the file that is accepted. */
static void find_other(struct passwords const *passwords, char hash[HASH_MAX])
{
    uint32_t place = CDB_TRAVERSE_INIT();
    struct table_entry entry;
    memcpy(hash, HASH_DUMMY, sizeof HASH_DUMMY);
    while (table_next(&passwords->table, &place, &entry))
        if (!hash_refusal(entry.value, entry.value_length)) {
            memcpy(hash, entry.value, entry.value_length);
            hash[entry.value_length] = 0;
            return;
        }
}

enum passwords_found passwords_find(struct passwords const *passwords, char const *login,
                                    char hash[HASH_MAX], struct control_error *error)
{
    char const *value;
    size_t length;
    if (!table_find(&passwords->table, login, strlen(login), &value, &length)) {
        find_other(passwords, hash);
        return PASSWORDS_UNKNOWN;
    }
    if (hash_refusal(value, length)) {
        snprintf(error->text, sizeof error->text, "%s", hash_refusal(value, length));
        control_lines(&passwords->folder, PASSWORDS_FILE, stop_at_login, (char *)login, error);
        find_other(passwords, hash);
        return PASSWORDS_REFUSED;
    }
    memcpy(hash, value, length);
    hash[length] = 0;
    return PASSWORDS_FOUND;
}
