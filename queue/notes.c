#include "queue/notes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_MAX_NOTES (sizeof "notes/" + QUEUE_ID_LENGTH)
#define NOTES_MODE     0600
#define INDEX_DIGITS   10

bool notes_format(stralloc *lines, enum notes_letter letter, uint32_t index, char const *text)
{
    if (letter == NOTES_WARNED)
        return stralloc_cats(lines, "W\n");
    char begin[sizeof "F  " + INDEX_DIGITS];
    int const used = snprintf(begin, sizeof begin, "%c %" PRIu32 " ", (char)letter, index);
    size_t length = strlen(text);
    if (length > NOTES_LINE_MAX - 1 - (size_t)used)
        length = NOTES_LINE_MAX - 1 - (size_t)used;
    if (!stralloc_readyplus(lines, (size_t)used + length + 1))
        return false;
    stralloc_catb(lines, begin, (size_t)used);
    for (size_t i = 0; i < length; i++) {
        unsigned char const byte = (unsigned char)text[i];
        lines->s[lines->len++] = byte < ' ' || byte == 127 ? '?' : text[i];
    }
    lines->s[lines->len++] = '\n';
    return true;
}

static void path_of(char path[PATH_MAX_NOTES], char const *id)
{
    snprintf(path, PATH_MAX_NOTES, "notes/%.*s", QUEUE_ID_LENGTH, id);
}

static int open_file(int queue, char const *id, int flags)
{
    char path[PATH_MAX_NOTES];
    int descriptor;
    path_of(path, id);
    do
        descriptor =
            openat(queue, path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, NOTES_MODE);
    while (descriptor < 0 && errno == EINTR);
    return descriptor;
}

static bool sync_file(int descriptor)
{
    int result;
    do
        result = fsync(descriptor);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

static bool sync_folder(int queue)
{
    int folder;
    do
        folder = openat(queue, "notes", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    while (folder < 0 && errno == EINTR);
    if (folder < 0)
        return false;
    bool const synced = sync_file(folder);
    int const saved = errno;
    close(folder);
    errno = saved;
    return synced;
}

static bool write_all(int descriptor, char const *bytes, size_t length)
{
    while (length) {
        ssize_t const written = write(descriptor, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            errno = written ? errno : EIO;
            return false;
        }
        bytes += written;
        length -= (size_t)written;
    }
    return true;
}

/* The folder is synced while the file is still empty: so a file with something in it is in its
 * folder for good, also when the process that made it was killed half way. */
static bool append(int queue, int descriptor, stralloc const *lines)
{
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return false;
    if (!S_ISREG(status.st_mode)) {
        errno = EINVAL;
        return false;
    }
    return (status.st_size || sync_folder(queue)) && write_all(descriptor, "\n", 1) &&
           write_all(descriptor, lines->s, lines->len) && sync_file(descriptor);
}

bool notes_append(int queue, char const *id, stralloc const *lines)
{
    int const descriptor = open_file(queue, id, O_WRONLY | O_APPEND | O_CREAT);
    if (descriptor < 0)
        return false;
    bool const appended = append(queue, descriptor, lines);
    int const saved = errno;
    close(descriptor);
    errno = saved;
    return appended;
}

int notes_open(int queue, char const *id)
{
    return open_file(queue, id, O_RDONLY);
}

void notes_remove(int queue, char const *id)
{
    char path[PATH_MAX_NOTES];
    path_of(path, id);
    (void)unlinkat(queue, path, 0);
}

/* `W`, or another letter with `INDEX TEXT`: LINE is NUL-terminated. False: not of the form. */
static bool parse_line(char const *line, size_t length, enum notes_letter *letter, uint32_t *index,
                       char const **text)
{
    static char const with_index[] = {NOTES_FAILED, NOTES_DELAYED, NOTES_DELIVERED, NOTES_RELAYED,
                                      NOTES_EXPANDED};
    uint64_t number = 0;
    size_t at = 2;
    *letter = (enum notes_letter)(unsigned char)line[0];
    *index = 0;
    *text = "";
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 127)
            return false;
    if (line[0] == NOTES_WARNED)
        return length == 1;
    if (!memchr(with_index, line[0], sizeof with_index) || length < 3 || line[1] != ' ')
        return false;
    for (; line[at] >= '0' && line[at] <= '9' && number <= UINT32_MAX; at++)
        number = number * 10 + (uint64_t)(line[at] - '0');
    if (at == 2 || number > UINT32_MAX || line[at] != ' ' || !line[at + 1])
        return false;
    *index = (uint32_t)number;
    *text = line + at + 1;
    return true;
}

/* What was read, as lines: one buffer, in which the begun line moves to the front. */
struct reader {
    char bytes[NOTES_LINE_MAX * 4];
    size_t length;
    bool skipping; /* in a line that is too long */
};

/* The whole lines of the buffer. False when LINE stopped it. */
static bool read_lines(struct reader *reader, notes_line_func *line, void *context)
{
    char *begin = reader->bytes, *const end = reader->bytes + reader->length, *newline;
    while ((newline = memchr(begin, '\n', (size_t)(end - begin)))) {
        enum notes_letter letter;
        uint32_t index;
        char const *text;
        *newline = 0;
        size_t const length = (size_t)(newline - begin);
        if (!reader->skipping && length && length <= NOTES_LINE_MAX &&
            parse_line(begin, length, &letter, &index, &text) &&
            !line(context, letter, index, text))
            return false;
        reader->skipping = false;
        begin = newline + 1;
    }
    reader->length = (size_t)(end - begin);
    if (reader->length > NOTES_LINE_MAX) {
        reader->skipping = true;
        reader->length = 0;
    }
    memmove(reader->bytes, begin, reader->length);
    return true;
}

bool notes_read(int descriptor, notes_line_func *line, void *context)
{
    struct reader reader = {.length = 0};
    off_t at = 0;
    for (;;) {
        ssize_t const got = pread(descriptor, reader.bytes + reader.length,
                                  sizeof reader.bytes - reader.length, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            return true; /* a line without its end was cut by a crash */
        at += got;
        reader.length += (size_t)got;
        if (!read_lines(&reader, line, context)) {
            errno = ECANCELED;
            return false;
        }
    }
}
