/* A temporary folder of control files for a test. */
#ifndef EKIDEN_TESTS_CONTROL_FOLDER_H
#define EKIDEN_TESTS_CONTROL_FOLDER_H

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/control.h"

struct folder {
    char path[64];
    struct control control;
    struct control_error error;
};

/* Setup: *state is the new folder, opened. */
static inline int folder_make(void **state)
{
    struct folder *folder = calloc(1, sizeof *folder);
    if (!folder)
        return -1;
    snprintf(folder->path, sizeof folder->path, "/tmp/ekiden-unit.XXXXXX");
    *state = folder;
    return mkdtemp(folder->path) &&
                   control_open(&folder->control, folder->path, &folder->error) == CONTROL_OK
               ? 0
               : -1;
}

/* Teardown. */
static inline int folder_remove(void **state)
{
    struct folder *folder = *state;
    DIR *directory = opendir(folder->path);
    struct dirent *entry;
    while (directory && (entry = readdir(directory)))
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            unlinkat(folder->control.directory, entry->d_name,
                     entry->d_type == DT_DIR ? AT_REMOVEDIR : 0);
    if (directory)
        closedir(directory);
    control_close(&folder->control);
    int result = rmdir(folder->path);
    free(folder);
    return result;
}

static inline void folder_write_bytes(struct folder *folder, char const *name, char const *bytes,
                                      size_t length)
{
    int descriptor =
        openat(folder->control.directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(descriptor >= 0);
    while (length > 0) {
        ssize_t written = write(descriptor, bytes, length);
        assert_true(written > 0);
        bytes += written;
        length -= (size_t)written;
    }
    close(descriptor);
}

static inline void folder_write(struct folder *folder, char const *name, char const *text)
{
    folder_write_bytes(folder, name, text, strlen(text));
}

/* The error is "PATH/" and then EXPECTED, to the letter. */
static inline void folder_assert_error(struct folder *folder, char const *expected)
{
    char whole[CONTROL_ERROR_MAX];
    snprintf(whole, sizeof whole, "%s/%s", folder->path, expected);
    assert_string_equal(folder->error.text, whole);
}

/* The error begins "PATH/" START, and holds PART. */
static inline void folder_assert_error_part(struct folder *folder, char const *start,
                                            char const *part)
{
    char whole[CONTROL_ERROR_MAX];
    snprintf(whole, sizeof whole, "%s/%s", folder->path, start);
    if (strncmp(folder->error.text, whole, strlen(whole)) != 0 || !strstr(folder->error.text, part))
        fail_msg("got: %s\nexpected: %s ... %s", folder->error.text, whole, part);
}

#endif
