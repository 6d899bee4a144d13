#include "deliver/mail_quotas.h"

#include <stdio.h>
#include <string.h>

#include "lib/log.h"

#define FILE_NAME "mailquota"

static bool parse_line(char const *line, size_t length, struct table_entry *entry,
                       struct control_error *error)
{
    char const *const colon = memrchr(line, ':', length);
    struct maildir_limit limit;
    *entry = (struct table_entry){.key = line, .value = colon ? colon + 1 : line};
    entry->key_length = colon ? (size_t)(colon - line) : 0;
    entry->value_length = length - (size_t)(entry->value - line);
    if ((!colon || colon > line) && maildir_limit_parse(entry->value, entry->value_length, &limit))
        return true;
    return control_fail(error, "QUOTA or MAILBOX:QUOTA, as in 1G or anna:500M,10000C", line,
                        length);
}

static void look(struct mail_quotas const *quotas, struct stat *status)
{
    if (!quotas->control || fstatat(quotas->control->directory, FILE_NAME, status, 0) != 0)
        *status = (struct stat){.st_ino = 0};
}

static bool is_same(struct stat const *one, struct stat const *other)
{
    return one->st_ino == other->st_ino && one->st_dev == other->st_dev &&
           one->st_size == other->st_size && one->st_mtim.tv_sec == other->st_mtim.tv_sec &&
           one->st_mtim.tv_nsec == other->st_mtim.tv_nsec &&
           one->st_ctim.tv_sec == other->st_ctim.tv_sec &&
           one->st_ctim.tv_nsec == other->st_ctim.tv_nsec;
}

static void load(struct mail_quotas *quotas)
{
    struct control_error error;
    struct table fresh = {.present = false};
    if (!quotas->control)
        return;
    if (table_load(&fresh, quotas->control, FILE_NAME, parse_line, &error) == CONTROL_ERROR) {
        log_failure("configuration-refused", error.text, 0);
        return;
    }
    table_free(&quotas->table);
    quotas->table = fresh;
}

void mail_quotas_start(struct mail_quotas *quotas, struct control const *control)
{
    *quotas = (struct mail_quotas){.control = control};
    look(quotas, &quotas->seen);
    load(quotas);
}

void mail_quotas_free(struct mail_quotas *quotas)
{
    table_free(&quotas->table);
}

void mail_quotas_refresh(struct mail_quotas *quotas)
{
    struct stat now;
    look(quotas, &now);
    if (is_same(&now, &quotas->seen))
        return;
    quotas->seen = now;
    load(quotas);
}

/* DOMAIN/NAME is the folder of the mailbox NAME@DOMAIN. */
static bool find_by_address(struct table const *table, char const *path, char const **value,
                            size_t *length)
{
    char address[TABLE_KEY_MAX + 1];
    char const *const slash = strchr(path, '/');
    if (!slash || strchr(slash + 1, '/') || strlen(path) > TABLE_KEY_MAX)
        return false;
    int const made =
        snprintf(address, sizeof address, "%s@%.*s", slash + 1, (int)(slash - path), path);
    return table_find(table, address, (size_t)made, value, length);
}

bool mail_quotas_find(struct mail_quotas const *quotas, char const *path,
                      struct maildir_limit *limit)
{
    char const *value;
    size_t length;
    if (!quotas->table.present)
        return false;
    if (!table_find(&quotas->table, path, strlen(path), &value, &length) &&
        !find_by_address(&quotas->table, path, &value, &length) &&
        !table_find(&quotas->table, "", 0, &value, &length))
        return false;
    return maildir_limit_parse(value, length, limit) && (limit->bytes || limit->messages);
}
