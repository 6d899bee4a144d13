/* Files in the control folder that no program asks for: slips in a name, mostly. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/check.h"

#define NAME_SIZE 64 /* bytes of a name that can be a slip, with its NUL */

struct search {
    char const *name;
    size_t length; /* of it, without `.cdb` */
    bool known;
    size_t distance; /* of the nearest */
    char nearest[NAME_SIZE];
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters are to be changed, added or removed; two that are exchanged count as one. */
static size_t distance(char const *a, size_t a_length, char const *b, size_t b_length)
{
    size_t rows[3][NAME_SIZE];
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *const row = rows[i % 3], *const last = rows[(i + 2) % 3];
        size_t const *const before = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            row[j] = least(last[j - 1] + (a[i - 1] != b[j - 1]), least(row[j - 1], last[j]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

static void compare(char const *name, void *context)
{
    struct search *const search = context;
    size_t const length = strlen(name);
    /* The name of a folder stands before a `/` (an alias's included file). */
    search->known = search->known || (!strncmp(name, search->name, search->length) &&
                                      (name[search->length] == 0 || name[search->length] == '/'));
    if (length >= NAME_SIZE || search->length >= NAME_SIZE)
        return;
    size_t const found = distance(search->name, search->length, name, length);
    if (found < search->distance) {
        search->distance = found;
        snprintf(search->nearest, sizeof search->nearest, "%s", name);
    }
}

static void look_name(struct checked const *check, char const *name)
{
    static char const compiled[] = ".cdb";
    size_t const length = strlen(name), end = sizeof compiled - 1;
    bool const is_compiled = length > end && !strcmp(name + length - end, compiled);
    struct search search = {
        .name = name, .length = is_compiled ? length - end : length, .distance = NAME_SIZE};
    char const *const path = check->control.path;
    char whole[CONTROL_ERROR_MAX];
    check_each(CHECK_NAME, compare, &search);
    if (!search.known && search.distance <= 1 + search.length / 5) {
        check_tell(CHECK_WARNING,
                   "%s/%s: no program reads a file of this name; expected %s, perhaps; rename it, "
                   "or remove it",
                   path, name, search.nearest);
    } else if (!search.known) {
        check_tell(CHECK_WARNING,
                   "%s/%s: no program reads a file of this name; expected one of "
                   "ekiden-control(5); remove it, or keep it elsewhere",
                   path, name);
    } else {
        snprintf(whole, sizeof whole, "%s/%s", path, name);
        if (!check_is_wrong(whole))
            check_tell(CHECK_GOOD, "%s", whole);
    }
}

/* Editors and package managers leave those. */
static bool is_passed_over(char const *name)
{
    return name[0] == '.' || name[strlen(name) - 1] == '~';
}

void check_names(struct checked const *check)
{
    static char const *const others[] = {"auth", "tls", "tcp.smtp"}; /* tcprules(1) */
    struct dirent const *entry;
    int const folder = openat(check->control.directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *const names = folder < 0 ? NULL : fdopendir(folder);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        check_tell(CHECK_NAME, "%s", others[i]);
    while (names && (entry = readdir(names)))
        if (!is_passed_over(entry->d_name))
            look_name(check, entry->d_name);
    if (names)
        closedir(names);
}
