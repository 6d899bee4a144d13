#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/djbunix.h>
#include <skalibs/stralloc.h>

#include "lib/privilege.h"
#include "tools/check.h"
#include "tools/print.h"

/* Of one look: whoever mends these finds the others by the next. A list in another program's form
 * is wrong in each line, and is_told compares each with all. */
#define PROBLEMS_MAX 500

enum { EXIT_WARNINGS = 1, EXIT_ERRORS = 100, EXIT_TEMPORARY = 111 };

/* What was told: a kind, a text and a NUL each. In a process of check_as it goes to the parent. */
static stralloc told = STRALLOC_ZERO;
static int parent = -1;
static unsigned int problems; /* in such a process */

_Noreturn static void give_up(char const *what)
{
    fprintf(stderr, "ekiden check: %s: %s\n", what, strerror(errno));
    _exit(EXIT_TEMPORARY);
}

/* Each was told once. */
static bool is_told(char const *record, size_t length)
{
    for (size_t at = 0; at < told.len; at += strlen(told.s + at) + 1)
        if (strlen(told.s + at) + 1 == length && !memcmp(told.s + at, record, length))
            return true;
    return false;
}

static void keep(char const *record, size_t length)
{
    if (!is_told(record, length) && !stralloc_catb(&told, record, length))
        give_up("out of memory");
}

void check_tell(enum check_kind kind, char const *format, ...)
{
    char record[1 + CHECK_TEXT_MAX + 1] = {(char)kind};
    va_list arguments;
    bool const is_problem = kind == CHECK_ERROR || kind == CHECK_WARNING;
    if (parent >= 0 && is_problem && ++problems > PROBLEMS_MAX)
        return;
    va_start(arguments, format);
    vsnprintf(record + 1, sizeof record - 1, format, arguments);
    va_end(arguments);
    size_t const length = strlen(record) + 1;
    if (parent < 0)
        keep(record, length);
    else if (write(parent, record, length) != (ssize_t)length)
        _exit(EXIT_TEMPORARY);
}

static void tell_problem(char const *text)
{
    check_tell(CHECK_ERROR, "%s", text);
}

static void tell_name(char const *name)
{
    check_tell(CHECK_NAME, "%s", name);
}

struct control_observer const check_observer = {.problem = tell_problem, .asked = tell_name};

/* --- as another user --- */

/* What programs log of their own accord is told here, or is no news. */
static void hide_log(void)
{
    int const nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nothing < 0 || dup2(nothing, STDERR_FILENO) < 0)
        _exit(EXIT_TEMPORARY);
}

/* A user that is missing is said by check_places; for the rest its files are looked at as root. */
static void become(char const *name)
{
    struct privilege_user user;
    if (name && privilege_is_root() && privilege_find(&user, name))
        privilege_drop(&user, NULL);
}

static void tell_more(char const *program)
{
    unsigned int const more = problems > PROBLEMS_MAX ? problems - PROBLEMS_MAX : 0;
    problems = 0;
    if (more)
        check_tell(CHECK_ERROR,
                   "%s: %u more of its settings are wrong; expected fewer than can be shown; mend "
                   "these, and look again",
                   program, more);
}

void check_as(char const *user, char const *program, void (*look)(struct checked const *),
              struct checked const *check)
{
    int ends[2], status;
    stralloc found = STRALLOC_ZERO;
    if (pipe2(ends, O_CLOEXEC) != 0)
        give_up("no pipe");
    pid_t const pid = fork();
    if (pid < 0)
        give_up("no process");
    if (pid == 0) {
        parent = ends[1];
        hide_log();
        become(user);
        look(check);
        tell_more(program);
        _exit(0);
    }
    close(ends[1]);
    if (!slurp(&found, ends[0]))
        give_up("a process of ours");
    close(ends[0]);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            give_up("a process of ours");
    for (size_t at = 0, length; at < found.len; at += length) {
        length = strnlen(found.s + at, found.len - at) + 1;
        if (at + length <= found.len)
            keep(found.s + at, length);
    }
    stralloc_free(&found);
    if (status != 0)
        check_tell(CHECK_ERROR,
                   "%s: its settings cannot be checked: the look at them ended early; expected a "
                   "system with room for a process; look again, and report it if it stays so",
                   program);
}

/* --- what came together --- */

void check_each(enum check_kind kind, void (*each)(char const *text, void *context), void *context)
{
    for (size_t at = 0; at < told.len; at += strlen(told.s + at) + 1)
        if (told.s[at] == (char)kind)
            each(told.s + at + 1, context);
}

bool check_is_wrong(char const *path)
{
    size_t const length = strlen(path);
    for (size_t at = 0; at < told.len; at += strlen(told.s + at) + 1)
        if ((told.s[at] == CHECK_ERROR || told.s[at] == CHECK_WARNING) &&
            !strncmp(told.s + at + 1, path, length) &&
            (told.s[at + 1 + length] == ':' || told.s[at + 1 + length] == '/'))
            return true;
    return false;
}

struct showing {
    char const *word;
    unsigned int count;
};

static void show(char const *text, void *context)
{
    struct showing *const showing = context;
    print(showing->word);
    print_text(text, strlen(text));
    print("\n");
    showing->count++;
}

int check_show(bool verbose, bool warnings)
{
    struct showing good = {.word = "ok "}, warned = {.word = "warning: "}, wrong = {.word = ""};
    check_each(CHECK_ERROR, show, &wrong);
    if (warnings)
        check_each(CHECK_WARNING, show, &warned);
    if (verbose)
        check_each(CHECK_GOOD, show, &good);
    if (!print_flush())
        return EXIT_TEMPORARY;
    return wrong.count ? EXIT_ERRORS : warned.count ? EXIT_WARNINGS : 0;
}
