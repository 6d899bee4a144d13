#include "lib/control.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>
#include <skalibs/types.h>

#define READ_SIZE  (32u << 10)
#define SHOWN_PATH 200 /* bytes of a path in a message, so that the message itself has room */
#define SHOWN_LINE 60  /* bytes of a line in a message */
#define TOO_LARGE  "expected a file of at most 256 MiB"

_Static_assert(READ_SIZE > CONTROL_LINE_MAX + 1, "a line and its end fit into the read buffer");

/* One way through one file. */
struct walk {
    struct control const *control;
    char const *name;
    control_line_func *entry;
    void *context;
    struct control_error *error;
    unsigned int number; /* of the current line, from 1 */
    uint64_t total;      /* bytes read */
    stralloc *folded;    /* the entry so far, where lines may continue one; else 0 */
    unsigned int first;  /* number of its first line; 0: none yet */
    bool secret;         /* no line is ever shown, none stays in memory */
};

bool control_take_inherited(char const **path, int *directory)
{
    unsigned int number;
    size_t const length = uint_scan(*path, &number);
    if (!length || (*path)[length] != ':' || number > INT_MAX)
        return false;
    *path += length + 1;
    *directory = fcntl((int)number, F_SETFD, FD_CLOEXEC) == 0 ? (int)number : -1;
    return true;
}

enum control_result control_open(struct control *control, char const *path,
                                 struct control_error *error)
{
    int directory;
    if (!control_take_inherited(&path, &directory))
        directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        snprintf(error->text, sizeof error->text,
                 "%.*s: expected a folder of control files: %s: make it, or name another with -C",
                 SHOWN_PATH, path, strerror(errno));
        return CONTROL_ERROR;
    }
    *control = (struct control){.directory = directory, .path = path};
    return CONTROL_OK;
}

void control_close(struct control *control)
{
    if (control->directory >= 0)
        fd_close(control->directory);
    control->directory = -1;
}

/* Puts "PATH/NAME:NUMBER: " in front of TEXT; without the number when it is 0. CONTROL_ERROR; or
 * CONTROL_ABSENT where somebody looks on. */
static enum control_result problem_at(struct control const *control, char const *name,
                                      unsigned int number, struct control_error *error,
                                      char const *text)
{
    char copy[CONTROL_ERROR_MAX];
    char line[16] = "";
    snprintf(copy, sizeof copy, "%s", text);
    if (number > 0)
        snprintf(line, sizeof line, ":%u", number);
    /* Cut where it does not fit: a message that lost its end is better than none. */
    int length = snprintf(error->text, sizeof error->text, "%.*s/%s%s: %s", SHOWN_PATH,
                          control->path, name, line, copy);
    if (length < 0)
        error->text[0] = 0;
    if (!control->observer)
        return CONTROL_ERROR;
    control->observer->problem(error->text);
    return CONTROL_ABSENT;
}

enum control_result control_problem(struct control const *control, char const *name,
                                    struct control_error *error, char const *text)
{
    return problem_at(control, name, 0, error, text);
}

void control_ask(struct control const *control, char const *name)
{
    if (control->observer && control->observer->asked)
        control->observer->asked(name);
}

bool control_refuse(struct control const *control, char const *name, char const *reason, int number)
{
    struct control_error error;
    char text[CONTROL_ERROR_MAX];
    if (!control->observer)
        return false;
    snprintf(text, sizeof text, "%s%s%s", reason, number ? ": " : "",
             number ? strerror(number) : "");
    control_problem(control, name, &error, text);
    return true;
}

/* Appends LINE as printable ASCII, so that a control file cannot write to a terminal or forge a
 * second log line. OUT has room for 4 * SHOWN_LINE + 4 bytes. */
static void show(char *out, char const *line, size_t length)
{
    static char const digits[] = "0123456789abcdef";
    size_t shown = length < SHOWN_LINE ? length : SHOWN_LINE;
    for (size_t i = 0; i < shown; i++) {
        unsigned char byte = (unsigned char)line[i];
        if (byte < 0x20 || byte > 0x7e || byte == '\\' || byte == '`') {
            *out++ = '\\';
            *out++ = 'x';
            *out++ = digits[byte >> 4];
            *out++ = digits[byte & 15];
        } else {
            *out++ = (char)byte;
        }
    }
    memcpy(out, shown < length ? "..." : "", shown < length ? 4 : 1);
}

bool control_fail_hint(struct control_error *error, char const *expected, char const *line,
                       size_t length, char const *hint)
{
    char shown[4 * SHOWN_LINE + 4];
    show(shown, line, length);
    snprintf(error->text, sizeof error->text, "expected %s, got `%s`%s%s", expected, shown,
             hint ? ": " : "", hint ? hint : "");
    return false;
}

bool control_fail(struct control_error *error, char const *expected, char const *line,
                  size_t length)
{
    /* The commonest slip of all, and no entry may hold a blank and a `#` after it. */
    char const *sign = memchr(line, '#', length);
    bool comment = sign && sign > line && (sign[-1] == ' ' || sign[-1] == '\t');
    return control_fail_hint(error, expected, line, length,
                             comment ? "a comment needs a line of its own" : 0);
}

/* GOOD is what became of the line WALK->NUMBER. An entry that says false without an error does not
 * want any more. */
static bool forgive(struct walk const *walk, bool good)
{
    if (good || !walk->control->observer || !walk->error->text[0])
        return good;
    problem_at(walk->control, walk->name, walk->number, walk->error, walk->error->text);
    walk->error->text[0] = 0;
    return true;
}

/* Hands over the entry that is complete now. A complaint is about its first line. */
static bool take_folded(struct walk *walk)
{
    unsigned int const number = walk->number;
    if (!walk->first)
        return true;
    walk->number = walk->first;
    walk->first = 0;
    if (!forgive(walk, walk->entry(walk->context, walk->folded->s, walk->folded->len, walk->number,
                                   walk->error)))
        return false;
    walk->number = number;
    return true;
}

static bool fold_line(struct walk *walk, char const *line, size_t length, bool continues)
{
    if (!continues) {
        if (!take_folded(walk))
            return false;
        walk->folded->len = 0;
        walk->first = walk->number;
    } else if (!walk->first) {
        return control_fail_hint(walk->error, "an entry before the line that continues it", line,
                                 length, "an entry begins without a blank");
    }
    if (walk->folded->len + 1 + length > CONTROL_FOLDED_MAX)
        return control_fail_hint(walk->error, "at most 16384 bytes in an entry", line, length, 0);
    if ((continues && !stralloc_append(walk->folded, ' ')) ||
        !stralloc_catb(walk->folded, line, length))
        return control_fail_hint(walk->error, "enough memory", line, length, 0);
    return true;
}

/* One line, without its line end. */
static bool examine_line(struct walk *walk, char const *line, size_t length)
{
    static char const secret[] = "a line that is not shown";
    char const *const shown = walk->secret ? secret : line;
    size_t const shown_length = walk->secret ? sizeof secret - 1 : length;
    walk->number++;
    if (length > CONTROL_LINE_MAX)
        return control_fail_hint(walk->error, "at most 4096 bytes in a line", shown, shown_length,
                                 0);
    if (memchr(line, 0, length))
        return control_fail_hint(walk->error, "text without NUL bytes", shown, shown_length, 0);
    if (length > 0 && line[length - 1] == '\r')
        return control_fail_hint(walk->error, "lines that end with LF alone", shown, shown_length,
                                 "these end with CR LF: convert them with dos2unix");
    bool const continues = length > 0 && (*line == ' ' || *line == '\t');
    while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t'))
        length--;
    while (length > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        length--;
    }
    if (length == 0 || *line == '#')
        return true;
    if (walk->folded)
        return fold_line(walk, line, length, continues);
    return walk->entry(walk->context, line, length, walk->number, walk->error);
}

static bool take_line(struct walk *walk, char const *line, size_t length)
{
    walk->error->text[0] = 0;
    return forgive(walk, examine_line(walk, line, length));
}

/* Takes the complete lines of BYTES; *taken is how far it came. */
static bool take_lines(struct walk *walk, char const *bytes, size_t length, size_t *taken)
{
    char const *line = bytes, *feed;
    while ((feed = memchr(line, '\n', length - (size_t)(line - bytes)))) {
        if (!take_line(walk, line, (size_t)(feed - line)))
            return false;
        line = feed + 1;
    }
    *taken = (size_t)(line - bytes);
    return true;
}

static enum control_result read_pieces(struct walk *walk, int descriptor, char buffer[READ_SIZE])
{
    size_t held = 0, taken;
    for (;;) {
        ssize_t count = fd_read(descriptor, buffer + held, READ_SIZE - held);
        if (count < 0)
            return control_problem(walk->control, walk->name, walk->error, strerror(errno));
        walk->total += (uint64_t)count;
        if (walk->total > CONTROL_FILE_MAX)
            return control_problem(walk->control, walk->name, walk->error, TOO_LARGE);
        held += (size_t)count;
        bool good = take_lines(walk, buffer, held, &taken);
        if (good) {
            held -= taken;
            memmove(buffer, buffer + taken, held);
            /* What is left is a line without an end: the last of the file, or one too long. */
            if (held > CONTROL_LINE_MAX || (count == 0 && held > 0))
                good = take_line(walk, buffer, held);
            if (good && held > CONTROL_LINE_MAX)
                return CONTROL_OK; /* forgiven, and where it ends is not known */
            if (good && count == 0 && walk->folded)
                good = take_folded(walk);
        }
        if (!good && walk->control->observer)
            return CONTROL_OK; /* enough */
        if (!good)
            return problem_at(walk->control, walk->name, walk->number, walk->error,
                              walk->error->text);
        if (count == 0)
            return CONTROL_OK;
    }
}

static enum control_result read_lines(struct walk *walk, int descriptor)
{
    char buffer[READ_SIZE];
    enum control_result const result = read_pieces(walk, descriptor, buffer);
    if (walk->secret)
        explicit_bzero(buffer, sizeof buffer);
    return result;
}

/* The file NAME cannot be opened: errno. */
static enum control_result fail_open(struct control const *control, char const *name,
                                     struct control_error *error)
{
    char text[160];
    if (errno == ENOENT)
        return CONTROL_ABSENT;
    snprintf(text, sizeof text, "cannot be opened: %s%s", strerror(errno),
             errno == EACCES ? ": let the users of Ekiden's programs read it (chmod 644)" : "");
    return control_problem(control, name, error, text);
}

static enum control_result walk_file(struct walk *walk)
{
    struct control const *const control = walk->control;
    struct control_error *const error = walk->error;
    char const *const name = walk->name;
    struct stat status;
    control_ask(control, name);
    /* Not blocking, so that a FIFO in the folder cannot hold us up before it is refused. */
    int descriptor = openat(control->directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0)
        return fail_open(control, name, error);
    enum control_result result;
    if (fstat(descriptor, &status) < 0)
        result = control_problem(control, name, error, strerror(errno));
    else if (!S_ISREG(status.st_mode))
        result = control_problem(control, name, error, "expected a regular file");
    else if (status.st_size > (off_t)CONTROL_FILE_MAX)
        result = control_problem(control, name, error, TOO_LARGE);
    else
        result = read_lines(walk, descriptor);
    fd_close(descriptor);
    return result;
}

enum control_result control_lines(struct control const *control, char const *name,
                                  control_line_func *entry, void *context,
                                  struct control_error *error)
{
    struct walk walk = {
        .control = control, .name = name, .entry = entry, .context = context, .error = error};
    return walk_file(&walk);
}

enum control_result control_secret_lines(struct control const *control, char const *name,
                                         control_line_func *entry, void *context,
                                         struct control_error *error)
{
    struct walk walk = {.control = control,
                        .name = name,
                        .entry = entry,
                        .context = context,
                        .error = error,
                        .secret = true};
    return walk_file(&walk);
}

enum control_result control_folded_lines(struct control const *control, char const *name,
                                         control_line_func *entry, void *context,
                                         struct control_error *error)
{
    stralloc folded = STRALLOC_ZERO;
    struct walk walk = {.control = control,
                        .name = name,
                        .entry = entry,
                        .context = context,
                        .error = error,
                        .folded = &folded};
    enum control_result const result = walk_file(&walk);
    stralloc_free(&folded);
    return result;
}

struct first {
    stralloc *value;
    unsigned int number;
    bool found;
};

static bool keep_first(void *context, char const *line, size_t length, unsigned int number,
                       struct control_error *error)
{
    struct first *first = context;
    if (!stralloc_copyb(first->value, line, length))
        return control_fail_hint(error, "enough memory", line, length, 0);
    first->number = number;
    first->found = true;
    return false; /* enough: a stop that is no error */
}

static enum control_result read_first(struct control const *control, char const *name,
                                      struct first *first, struct control_error *error)
{
    first->found = false;
    first->value->len = 0;
    enum control_result result = control_lines(control, name, keep_first, first, error);
    if (first->found)
        return CONTROL_OK;
    return result == CONTROL_OK ? CONTROL_ABSENT : result;
}

enum control_result control_first(struct control const *control, char const *name, stralloc *value,
                                  control_check_func *check, char const *expected,
                                  struct control_error *error)
{
    struct first first = {.value = value};
    enum control_result result = read_first(control, name, &first, error);
    if (result != CONTROL_OK || check(value->s, value->len))
        return result;
    control_fail(error, expected, value->s, value->len);
    value->len = 0;
    return problem_at(control, name, first.number, error, error->text);
}

/* Digits only: no sign, no blank, no base. */
static bool scan_number(char const *text, size_t length, uint64_t *number)
{
    uint64_t sum = 0;
    if (length == 0)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (sum > (UINT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *number = sum;
    return true;
}

enum control_result control_number(struct control const *control, char const *name, uint64_t *value,
                                   uint64_t minimum, uint64_t maximum, struct control_error *error)
{
    stralloc text = STRALLOC_ZERO;
    struct first first = {.value = &text};
    uint64_t number;
    enum control_result result = read_first(control, name, &first, error);
    if (result == CONTROL_OK) {
        if (scan_number(text.s, text.len, &number) && number >= minimum && number <= maximum) {
            *value = number;
        } else {
            char expected[96];
            snprintf(expected, sizeof expected, "a number from %" PRIu64 " to %" PRIu64, minimum,
                     maximum);
            control_fail(error, expected, text.s, text.len);
            result = problem_at(control, name, first.number, error, error->text);
        }
    }
    stralloc_free(&text);
    return result;
}
