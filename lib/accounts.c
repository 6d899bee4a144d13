#include "lib/accounts.h"

#include <errno.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <skalibs/bytestr.h>

#define UID_NOBODY 65534

static bool is_name(char const *name, size_t length)
{
    static char const allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    if (length == 0 || length > ACCOUNTS_NAME_MAX || name[0] == '-' || name[0] == '.')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!name[i] || !strchr(allowed, name[i]))
            return false;
    return true;
}

static bool add(struct accounts *accounts, char const *name, size_t length)
{
    uint32_t const offset = (uint32_t)accounts->names.len; /* at most the size of a control file */
    return stralloc_catb(&accounts->names, name, length) && stralloc_0(&accounts->names) &&
           stralloc_catb(&accounts->index, (char const *)&offset, sizeof offset);
}

struct loading {
    struct accounts accounts;
    bool all;
};

static bool take_line(void *context, char const *line, size_t length, unsigned int number,
                      struct control_error *error)
{
    struct loading *const loading = context;
    (void)number;
    if (length == 1 && *line == '*') {
        loading->all = true;
        return true;
    }
    if (!is_name(line, length))
        return control_fail(error, "an account's name (lower case), or * for all", line, length);
    if (length == 4 && !memcmp(line, "root", 4))
        return control_fail_hint(error, "an account's name", line, length,
                                 "nothing is delivered as root: give root an alias in `aliases`");
    return add(&loading->accounts, line, length) ||
           control_fail_hint(error, "enough memory", line, length, 0);
}

/* fgetpwent reads the file itself; getpwent would load name service modules into a static program.
 */
static bool add_passwd(struct accounts *accounts)
{
    FILE *const file = fopen(ACCOUNTS_FOLDER "/" ACCOUNTS_FILE, "re");
    struct passwd const *entry;
    bool good = file != 0;
    if (!file)
        return false;
    while (errno = 0, good && (entry = fgetpwent(file)))
        if (entry->pw_uid >= ACCOUNTS_UID_MIN && entry->pw_uid != UID_NOBODY &&
            is_name(entry->pw_name, strlen(entry->pw_name)))
            good = add(accounts, entry->pw_name, strlen(entry->pw_name));
    /* A file that broke off has made nobody unknown: their mail would bounce. */
    good = good && !ferror(file) && (errno == 0 || errno == ENOENT);
    fclose(file);
    return good;
}

static uint32_t offset_at(struct accounts const *accounts, size_t place)
{
    uint32_t offset;
    memcpy(&offset, accounts->index.s + place * sizeof offset, sizeof offset);
    return offset;
}

static int compare(void const *one, void const *other, void *names)
{
    uint32_t first, second;
    memcpy(&first, one, sizeof first);
    memcpy(&second, other, sizeof second);
    return strcmp((char const *)names + first, (char const *)names + second);
}

enum control_result accounts_load(struct accounts *accounts, struct control const *control,
                                  struct control_error *error)
{
    struct loading loading = {.accounts = ACCOUNTS_ZERO};
    enum control_result result = control_lines(control, "systemusers", take_line, &loading, error);
    if (result != CONTROL_ERROR && loading.all && !add_passwd(&loading.accounts))
        result = control_problem(control, "systemusers", error,
                                 "`*` needs " ACCOUNTS_FOLDER "/" ACCOUNTS_FILE
                                 ", which cannot be read");
    if (result == CONTROL_ERROR) {
        accounts_free(&loading.accounts);
        return result;
    }
    if (loading.accounts.index.len)
        qsort_r(loading.accounts.index.s, loading.accounts.index.len / sizeof(uint32_t),
                sizeof(uint32_t), compare, loading.accounts.names.s);
    *accounts = loading.accounts;
    return result;
}

void accounts_free(struct accounts *accounts)
{
    stralloc_free(&accounts->names);
    stralloc_free(&accounts->index);
}

bool accounts_find(struct accounts const *accounts, char const *name, size_t length,
                   char const **account)
{
    char folded[ACCOUNTS_NAME_MAX + 1];
    size_t low = 0, high = accounts->index.len / sizeof(uint32_t);
    if (length == 0 || length > ACCOUNTS_NAME_MAX || memchr(name, 0, length))
        return false;
    memcpy(folded, name, length);
    case_lowerb(folded, length);
    folded[length] = 0;
    while (low < high) {
        size_t const middle = low + (high - low) / 2;
        char const *const here = accounts->names.s + offset_at(accounts, middle);
        int const order = strcmp(folded, here);
        if (order == 0) {
            *account = here;
            return true;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}
