#include "deliver/dotqmail_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/bytestr.h>
#include <skalibs/djbunix.h>

#include "deliver/dotqmail_parse.h"

#define WRITABLE 022 /* by group or others */

void dotqmail_file_free(struct dotqmail_file *file)
{
    stralloc_free(&file->bytes);
    stralloc_free(&file->name);
}

bool dotqmail_file_is_extension(char const *extension)
{
    return !strchr(extension, '/');
}

/* A fault of the file itself: "4.3.5 TEXT: NAME". */
static bool fail(struct dotqmail_file const *file, struct failure *failure, char const *text)
{
    failure->result = JOB_DEFERRED;
    snprintf(failure->text, sizeof failure->text, "4.3.5 %s: %s", text, file->name.s);
    return false;
}

static bool fail_system(struct failure *failure, char const *what, int number)
{
    failure_system(failure, what, "", number);
    return false;
}

bool dotqmail_file_check_home(bool say_only, struct failure *failure)
{
    struct stat status;
    if (stat(".", &status) != 0)
        return fail_system(failure, "the home folder cannot be looked at", errno);
    if (status.st_uid != geteuid() && status.st_uid != 0)
        failure_set(failure, JOB_DEFERRED, "4.7.0 the home folder belongs to another user");
    else if (status.st_mode & WRITABLE)
        failure_set(failure, JOB_DEFERRED, "4.7.0 the home folder is writable for others");
    else if ((status.st_mode & S_ISVTX) && !say_only)
        failure_set(failure, JOB_DEFERRED,
                    "4.2.1 the home folder is sticky: its user is editing his .qmail file");
    else
        return true;
    return false;
}

/* Makes the name .qmail DASH EXTENSION[0..LENGTH] SUFFIX. */
static bool make_name(struct dotqmail_file *file, char const *dash, char const *extension,
                      size_t length, char const *suffix)
{
    stralloc *const name = &file->name;
    name->len = 0;
    if (!stralloc_cats(name, ".qmail") || !stralloc_cats(name, dash))
        return false;
    size_t const start = name->len;
    if (!stralloc_catb(name, extension, length))
        return false;
    for (size_t i = start; i < name->len; i++)
        if (name->s[i] == '.')
            name->s[i] = ':';
    case_lowerb(name->s + start, length);
    return stralloc_cats(name, suffix) && stralloc_0(name);
}

static bool is_absent(int number)
{
    return number == ENOENT || number == ENOTDIR || number == ENAMETOOLONG;
}

enum look { LOOK_FOUND, LOOK_ABSENT, LOOK_FAILED };

/* Reads what is open as DESCRIPTOR, which must be a file that only its owner can have written. */
static bool read_file(struct dotqmail_file *file, int descriptor, struct failure *failure)
{
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return fail_system(failure, "a .qmail file cannot be looked at", errno);
    if (!S_ISREG(status.st_mode))
        return fail(file, failure, "this is no regular file");
    if (status.st_mode & WRITABLE)
        return fail(file, failure, "this file is writable for others (4.7.0)");
    file->forward_only = status.st_mode & S_IXUSR;
    file->bytes.len = 0;
    if (!stralloc_ready(&file->bytes, DOTQMAIL_SIZE_MAX + 1))
        return fail_system(failure, "delivery needs more memory", ENOMEM);
    while (file->bytes.len <= DOTQMAIL_SIZE_MAX) {
        ssize_t const got = read(descriptor, file->bytes.s + file->bytes.len,
                                 DOTQMAIL_SIZE_MAX + 1 - file->bytes.len);
        if (got == 0)
            return true;
        if (got > 0)
            file->bytes.len += (size_t)got;
        else if (errno != EINTR)
            return fail_system(failure, "a .qmail file cannot be read", errno);
    }
    return fail(file, failure, "this file is larger than 64 KiB");
}

/* A link is followed, as in qmail: mailing list managers link to instructions in their own folder,
 * and what is checked is the file that was opened, with no right that its user does not have. Never
 * waits for a FIFO or a terminal. */
static enum look look(struct dotqmail_file *file, struct failure *failure)
{
    int const descriptor = open(file->name.s, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0) {
        if (is_absent(errno))
            return LOOK_ABSENT;
        fail_system(failure, "a .qmail file cannot be opened", errno);
        return LOOK_FAILED;
    }
    bool const taken = read_file(file, descriptor, failure);
    fd_close(descriptor);
    return taken ? LOOK_FOUND : LOOK_FAILED;
}

/* What `default` at the end of a name that was found exactly stands for. */
static char const *exact_default(char const *extension)
{
    static char const word[] = "default";
    size_t const length = strlen(extension);
    if (length < sizeof word - 1)
        return NULL;
    char const *const end = extension + length - (sizeof word - 1);
    return case_diffb(end, sizeof word - 1, word) == 0 ? end : NULL;
}

bool dotqmail_file_find(struct dotqmail_file *file, char const *dash, char const *extension,
                        struct failure *failure)
{
    size_t part = strlen(extension);
    bool exact = true;
    file->found = file->forward_only = false;
    file->bytes.len = 0;
    for (;;) {
        file->default_part = exact ? exact_default(extension) : extension + part;
        if (!make_name(file, dash, extension, part, exact ? "" : "default"))
            return fail_system(failure, "delivery needs more memory", ENOMEM);
        enum look const result = look(file, failure);
        if (result != LOOK_ABSENT)
            return file->found = result == LOOK_FOUND;
        if ((!exact && part == 0) || (!*dash && !*extension))
            break;
        if (!exact)
            part--;
        exact = false;
        while (part && extension[part - 1] != '-')
            part--;
    }
    file->default_part = NULL;
    return true;
}

bool dotqmail_file_exists(struct dotqmail_file *file, char const *dash, char const *extension,
                          char const *suffix, bool *there, struct failure *failure)
{
    struct stat status;
    if (!make_name(file, dash, extension, strlen(extension), suffix))
        return fail_system(failure, "delivery needs more memory", ENOMEM);
    *there = stat(file->name.s, &status) == 0;
    return *there || is_absent(errno) ||
           fail_system(failure, "a .qmail file cannot be looked for", errno);
}
