#include "deliver/maildir_quota.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>

#include "lib/log.h"

#define FILE_NAME    "maildirsize"
#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
#define SIZE_MARK    ",S=" /* and the size, in the name of a message */

/* A file of counts as it was found. */
struct found {
    struct maildir_ledger ledger;
    struct timespec changed;
};

int maildir_quota_root(int maildir)
{
    struct stat status;
    bool const folder = fstatat(maildir, "maildirfolder", &status, AT_SYMLINK_NOFOLLOW) == 0;
    return openat(maildir, folder ? ".." : ".", FOLDER_FLAGS);
}

/* False: it has to be made anew. */
static bool read_file(int root, struct found *found)
{
    char bytes[MAILDIR_LEDGER_MAX + 1];
    struct stat status;
    int const file =
        openat(root, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0)
        return false;
    ssize_t length = -1;
    if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) &&
        status.st_size <= MAILDIR_LEDGER_MAX)
        length = (ssize_t)allread(file, bytes, sizeof bytes);
    fd_close(file);
    found->changed = status.st_mtim;
    return length >= 0 && length <= MAILDIR_LEDGER_MAX &&
           maildir_ledger_parse(bytes, (size_t)length, &found->ledger);
}

bool maildir_quota_own(int root, struct maildir_limit *limit)
{
    struct found found;
    if (!read_file(root, &found))
        return false;
    *limit = found.ledger.limit;
    return limit->bytes || limit->messages;
}

/* --- counting --- */

/* The size that stands in the name of a message; its owner is who he cheats. */
static bool size_in_name(char const *name, int64_t *size)
{
    char const *at = strstr(name, SIZE_MARK);
    int64_t number = 0;
    if (!at)
        return false;
    at += strlen(SIZE_MARK);
    char const *const start = at;
    for (; *at >= '0' && *at <= '9' && number < INT64_C(1) << 50; at++)
        number = number * 10 + (*at - '0');
    *size = number;
    return at > start && (*at < '0' || *at > '9');
}

static void count_message(int folder, char const *name, struct maildir_usage *used)
{
    struct stat status;
    int64_t size;
    if (!size_in_name(name, &size)) {
        if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode))
            return; /* gone meanwhile, or no message */
        size = status.st_size;
    }
    /* A name may say anything, and so may a file with holes: beyond any quota nothing is added. */
    if (used->bytes < MAILDIR_USAGE_MAX)
        used->bytes += size < MAILDIR_USAGE_MAX ? size : MAILDIR_USAGE_MAX;
    if (used->bytes > MAILDIR_USAGE_MAX)
        used->bytes = MAILDIR_USAGE_MAX;
    used->messages++;
}

typedef bool entry_func(int folder, char const *name, void *context);

/* Calls ENTRY for each entry of the folder NAME below PARENT, without those of . and .. . A folder
 * that is not there is empty. False: errno. */
static bool walk(int parent, char const *name, entry_func *entry, void *context)
{
    int const descriptor = openat(parent, name, FOLDER_FLAGS);
    if (descriptor < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
    DIR *const folder = fdopendir(descriptor);
    if (!folder) {
        fd_close(descriptor);
        return false;
    }
    bool good = true;
    struct dirent const *found;
    while (good && (errno = 0, found = readdir(folder)))
        if (strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0)
            good = entry(descriptor, found->d_name, context);
    good = good && errno == 0;
    int const number = errno;
    closedir(folder);
    errno = number;
    return good;
}

static bool count_entry(int folder, char const *name, void *context)
{
    if (*name != '.')
        count_message(folder, name, context);
    errno = 0;
    return true;
}

/* Component by component: a link in place of a folder would lead to other people's mail. */
static bool count_folder(int parent, char const *name, struct maildir_usage *used)
{
    int const folder = openat(parent, name, FOLDER_FLAGS);
    if (folder < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
    bool const good =
        walk(folder, "new", count_entry, used) && walk(folder, "cur", count_entry, used);
    int const number = errno;
    fd_close(folder);
    errno = number;
    return good;
}

static bool count_below(int root, char const *name, void *context)
{
    bool const good = *name != '.' || count_folder(root, name, context);
    errno = good ? 0 : errno;
    return good;
}

static bool count_all(int root, struct maildir_usage *used)
{
    *used = (struct maildir_usage){.bytes = 0};
    return count_folder(root, ".", used) && walk(root, ".", count_below, used);
}

/* --- has anything changed: in the folders of mail, since the file itself changes that of all ---
 */

struct change {
    struct timespec since;
    bool found;
};

static void look(int parent, char const *path, struct change *change)
{
    struct stat status;
    if (fstatat(parent, path, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        (status.st_mtim.tv_sec > change->since.tv_sec ||
         (status.st_mtim.tv_sec == change->since.tv_sec &&
          status.st_mtim.tv_nsec >= change->since.tv_nsec)))
        change->found = true;
}

static bool look_below(int root, char const *name, void *context)
{
    char path[NAME_MAX + sizeof "/new"];
    struct change *const change = context;
    if (*name == '.') {
        snprintf(path, sizeof path, "%s/new", name);
        look(root, path, change);
        snprintf(path, sizeof path, "%s/cur", name);
        look(root, path, change);
    }
    errno = 0;
    return !change->found;
}

static bool has_changed(int root, struct timespec since)
{
    struct change change = {.since = since};
    look(root, "new", &change);
    look(root, "cur", &change);
    return change.found || !walk(root, ".", look_below, &change);
}

/* --- the file --- */

/* Puts a file of one line into its place. BEGAN is when the count began: as the file's own time it
 * makes whatever changes during the count look newer. */
static bool replace_file(int root, struct maildir_limit const *limit,
                         struct maildir_usage const *used, struct timespec began,
                         struct maildir_namer *namer)
{
    char text[MAILDIR_LIMIT_SIZE + MAILDIR_CHANGE_SIZE], path[sizeof "tmp/" + MAILDIR_NAME_MAX];
    char name[MAILDIR_NAME_MAX + 1];
    struct timespec const times[2] = {began, began};
    maildir_limit_format(text, limit);
    size_t length = strlen(text);
    text[length++] = '\n';
    length += maildir_change_format(text + length, used);
    maildir_name(namer, name);
    snprintf(path, sizeof path, "tmp/%s", name);
    int const file = openat(root, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0)
        return false;
    bool good = allwrite(file, text, length) == length && futimens(file, times) == 0;
    good = good && renameat(root, path, root, FILE_NAME) == 0;
    int const number = errno;
    fd_close(file);
    if (!good)
        (void)unlinkat(root, path, 0);
    errno = number;
    return good;
}

static void log_unknown(char const *what)
{
    struct log_line line;
    log_begin(&line, "quota-unknown");
    log_text(&line, "what", what);
    log_errno(&line, errno);
    log_write(&line);
}

/* Counts the mail. False: it cannot be counted. */
static bool recount(int root, struct maildir_limit const *limit, struct maildir_namer *namer,
                    struct maildir_usage *used)
{
    struct timespec began;
    clock_gettime(CLOCK_REALTIME_COARSE, &began); /* the clock of the files' times */
    if (!count_all(root, used)) {
        log_unknown("a folder of a mailbox cannot be read: its quota does not hold");
        return false;
    }
    if (!replace_file(root, limit, used, began, namer))
        log_unknown("maildirsize cannot be written: the mailbox is counted for each message");
    return true;
}

/* A refusal by what the file says can be trusted: it is one count, and recent, and the mail is what
 * it was then. */
static bool is_fresh(int root, struct found const *found)
{
    time_t const now = time(NULL);
    return found->ledger.changes == 1 && found->changed.tv_sec <= now &&
           now - found->changed.tv_sec < MAILDIR_QUOTA_SECONDS &&
           !has_changed(root, found->changed);
}

bool maildir_quota_allows(int root, struct maildir_limit const *limit,
                          struct maildir_usage const *more, struct maildir_namer *namer)
{
    struct found found;
    struct maildir_usage used;
    /* Without a line nobody has counted yet. */
    bool const known = read_file(root, &found) && found.ledger.changes > 0 &&
                       found.ledger.limit.bytes == limit->bytes &&
                       found.ledger.limit.messages == limit->messages;
    if (known && maildir_limit_allows(limit, &found.ledger.used, more))
        return true;
    if (known && is_fresh(root, &found))
        return false;
    return !recount(root, limit, namer, &used) || maildir_limit_allows(limit, &used, more);
}

void maildir_quota_add(int root, struct maildir_usage const *more)
{
    char text[MAILDIR_CHANGE_SIZE];
    size_t const length = maildir_change_format(text, more);
    /* One write: lines of several at once do not mix. Without a file the next one counts. */
    int const file = openat(root, FILE_NAME,
                            O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0)
        return;
    if (write(file, text, length) != (ssize_t)length)
        (void)unlinkat(root, FILE_NAME, 0);
    fd_close(file);
}
