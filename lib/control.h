/* Control files: one setting a file, in one folder, as in qmail.
 *
 * In a file one entry stands on a line; blanks at the end of a line, empty lines and lines that
 * begin with `#` do not count. A file that is absent means its default. Whatever is wrong is said
 * with the file and the line, what was expected, and what to do. */
#ifndef EKIDEN_CONTROL_H
#define EKIDEN_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <skalibs/stralloc.h>

#define CONTROL_ERROR_MAX  512
#define CONTROL_FILE_MAX   (256u << 20) /* bytes; a larger file is refused */
#define CONTROL_LINE_MAX   4096         /* bytes; a longer line is refused */
#define CONTROL_FOLDED_MAX 16384        /* bytes of an entry of several lines */
#define CONTROL_DATABYTES  (50u << 20)  /* default of databytes: SMTP and local submission */

enum control_result {
    CONTROL_OK,
    CONTROL_ABSENT, /* no such file: the default holds */
    CONTROL_ERROR   /* unreadable or malformed: struct control_error says what */
};

/* What was wrong, as one line for the operator: "/etc/ekiden/relayclients:3: expected ..., got ..."
 */
struct control_error {
    char text[CONTROL_ERROR_MAX];
};

/* Who looks on while files are read. What is wrong is left out then, a line (as if it were not
 * there) or a file (as if it were absent): so one look finds all that is
 * wrong. */
struct control_observer {
    void (*problem)(char const *text); /* as in struct control_error */
    void (*asked)(char const *name);   /* for this file, whether it is there or not; may be 0 */
};

/* An open folder of control files. */
struct control {
    int directory;    /* descriptor, close-on-exec, owned */
    char const *path; /* for messages; the caller's, must outlive the struct */
    struct control_observer const *observer; /* not owned; 0: errors are errors */
};

/* Opens the folder PATH. NUMBER:PATH is the folder that was inherited as descriptor NUMBER, PATH
 * only its name: so the programs that ekiden-send and ekiden-smtpd start need no way to it. On
 * CONTROL_ERROR (also for a folder that is not there) ERROR says why. */
enum control_result control_open(struct control *control, char const *path,
                                 struct control_error *error);
void control_close(struct control *control);

/* True when *path is NUMBER:PATH: *path is PATH then, and *directory the descriptor NUMBER, made
 * close-on-exec, or -1 with errno when it is not open. */
bool control_take_inherited(char const **path, int *directory);

/* Called for each entry: LINE is LENGTH bytes without its line end, not NUL-terminated, valid
 * during the call. Returns false to stop with CONTROL_ERROR; it then calls control_fail. */
typedef bool control_line_func(void *context, char const *line, size_t length, unsigned int number,
                               struct control_error *error);

/* Calls ENTRY for each entry of the file NAME, in order. */
enum control_result control_lines(struct control const *control, char const *name,
                                  control_line_func *entry, void *context,
                                  struct control_error *error);

/* The same for a file that holds secrets: no line is shown in ERROR by this one (nor by ENTRY,
 * which is the caller's matter), and what was read is wiped from memory. */
enum control_result control_secret_lines(struct control const *control, char const *name,
                                         control_line_func *entry, void *context,
                                         struct control_error *error);

/* As control_lines, and a line that begins with a blank continues the one before, as in an aliases
 * file: an entry is LENGTH bytes, at most CONTROL_FOLDED_MAX, with one blank where lines were
 * joined. Its number is that of its first line. */
enum control_result control_folded_lines(struct control const *control, char const *name,
                                         control_line_func *entry, void *context,
                                         struct control_error *error);

typedef bool control_check_func(char const *text, size_t length);

/* The first entry of NAME, put into VALUE without a NUL. ABSENT, and VALUE empty, when there is no
 * file or no entry in it; an entry for which CHECK is false is an error, "expected EXPECTED, got
 * ...". */
enum control_result control_first(struct control const *control, char const *name, stralloc *value,
                                  control_check_func *check, char const *expected,
                                  struct control_error *error);

/* The first entry of NAME as a decimal number from MINIMUM to MAXIMUM; *value keeps what it had
 * when the file is absent. */
enum control_result control_number(struct control const *control, char const *name, uint64_t *value,
                                   uint64_t minimum, uint64_t maximum, struct control_error *error);

/* Writes "expected EXPECTED, got `LINE`" to ERROR and returns false. control_lines puts the path
 * and the line number in front. LINE is shown escaped and cut. */
bool control_fail(struct control_error *error, char const *expected, char const *line,
                  size_t length);

/* The same with ": HINT" at the end: why it is refused, or what to write instead. HINT may be 0. */
bool control_fail_hint(struct control_error *error, char const *expected, char const *line,
                       size_t length, char const *hint);

/* Tells who looks on that the file NAME is asked for. The functions that read one do so. */
void control_ask(struct control const *control, char const *name);

/* Tells who looks on that a program goes on without the file NAME, for REASON and NUMBER (errno; 0:
 * none). False: nobody does, and it has to be logged. */
bool control_refuse(struct control const *control, char const *name, char const *reason,
                    int number);

/* Writes "PATH/NAME: TEXT" to ERROR, for what is wrong with no line in particular, and returns
 * CONTROL_ERROR. TEXT may lie in ERROR. */
enum control_result control_problem(struct control const *control, char const *name,
                                    struct control_error *error, char const *text);

#endif
