#include "lib/srs_settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/control_host.h"
#include "lib/log.h"

#define FILE_NAME "srs"
#define FILE_MAX  (64u << 10)
#define KEY_MIN   8
#define KEY_MAX   512
#define EXPECTED  "a key of 8 to 512 bytes"
#define NO_LINE   "a line that is not shown, for it is a secret"

struct loading {
    struct srs_settings *settings;
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
    struct srs_settings *const settings = loading->settings;
    (void)number;
    if (length < KEY_MIN || length > KEY_MAX || memchr(line, 0, length))
        return fail(error, "take one from `openssl rand -base64 24`");
    if (length + 1 > loading->room - settings->size)
        return fail(error, "the file grew while it was read");
    memcpy(settings->bytes + settings->size, line, length);
    settings->size += length;
    settings->bytes[settings->size++] = 0;
    return true;
}

static enum control_result refuse(struct srs_settings *settings, struct control const *control,
                                  char const *reason, int number)
{
    struct log_line line;
    char path[CONTROL_ERROR_MAX];
    snprintf(path, sizeof path, "%s/%s", control->path, FILE_NAME);
    log_begin(&line, "srs-refused");
    log_text(&line, "file", path);
    log_text(&line, "reason", reason);
    if (number)
        log_errno(&line, number);
    log_text(&line, "next", "forwarded mail waits, and what comes back to it is put off");
    log_write(&line);
    settings->refused = true;
    return CONTROL_OK;
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

static enum control_result read_keys(struct srs_settings *settings, struct control const *control,
                                     struct control_error *error)
{
    struct stat status;
    if (fstatat(control->directory, FILE_NAME, &status, 0) != 0)
        return errno == ENOENT ? CONTROL_ABSENT
                               : refuse(settings, control, "it cannot be looked at", errno);
    if (is_others(&status))
        return refuse(settings, control,
                      "its mode lets others use it; chmod 640 and chgrp to the scheduler's group "
                      "(or 600 where all is one user's), and change the keys if others may have "
                      "read them",
                      0);
    if (faccessat(control->directory, FILE_NAME, R_OK, AT_EACCESS) != 0)
        return refuse(settings, control,
                      "it cannot be read; chgrp to the scheduler's group and chmod 640", errno);
    if (status.st_size > (off_t)FILE_MAX)
        return control_problem(control, FILE_NAME, error, "expected a file of at most 64 KiB");
    struct loading loading = {.settings = settings, .room = (size_t)status.st_size + 2};
    settings->bytes = malloc(loading.room);
    if (!settings->bytes)
        return control_problem(control, FILE_NAME, error, strerror(ENOMEM));
    return control_secret_lines(control, FILE_NAME, add_key, &loading, error);
}

enum control_result srs_settings_load(struct srs_settings *settings, struct control const *control,
                                      char const *me, struct control_error *error)
{
    struct srs_settings loaded = {.size = 0};
    if (read_keys(&loaded, control, error) == CONTROL_ERROR ||
        control_host(&loaded.domain, control, "srsdomain", me, error) == CONTROL_ERROR) {
        srs_settings_free(&loaded);
        return CONTROL_ERROR;
    }
    *settings = loaded;
    return CONTROL_OK;
}

void srs_settings_free(struct srs_settings *settings)
{
    if (settings->bytes)
        explicit_bzero(settings->bytes, settings->size);
    free(settings->bytes);
    free(settings->domain);
    *settings = (struct srs_settings){.size = 0};
}

bool srs_is_on(struct srs_settings const *settings)
{
    return settings->size > 0 || settings->refused;
}

struct srs_keys srs_settings_keys(struct srs_settings const *settings)
{
    return (struct srs_keys){.bytes = settings->bytes, .size = settings->size};
}
