/* The log: one event a line, `key=value` fields, printable ASCII, on standard error.
 *
 * A line is built in place and goes out in one write, so that lines of many processes never mix.
 * It is at most LOG_LINE_MAX bytes; a value longer than LOG_VALUE_MAX is cut and ends in "...".
 * A value with a blank, a quote or a backslash stands in double quotes; every byte that is not
 * printable ASCII, and quote and backslash, become \xNN. Keys are the program's own words.
 * Never pass a password or message content. */
#ifndef EKIDEN_LOG_H
#define EKIDEN_LOG_H

#include <stddef.h>
#include <stdint.h>

#define LOG_LINE_MAX  2048 /* below PIPE_BUF: a write of a line is atomic */
#define LOG_VALUE_MAX 384

struct log_line {
    size_t length;
    char bytes[LOG_LINE_MAX];
};

/* Names the program in each of its lines. NAME must stay valid for good. */
void log_start(char const *name);

/* Begins LINE with the program's name and `event=EVENT`. */
void log_begin(struct log_line *line, char const *event);

/* Append `key=value`. A field that no longer fits is left out, and the line ends in `cut=1`. */
void log_text(struct log_line *line, char const *key, char const *value);
void log_bytes(struct log_line *line, char const *key, char const *value, size_t length);
void log_number(struct log_line *line, char const *key, uint64_t value);

/* Appends `error="text of NUMBER"` for an errno value. */
void log_errno(struct log_line *line, int number);

/* Appends how a child ended, by its wait status: `exit=CODE`, or `signal=NUMBER`. */
void log_status(struct log_line *line, int status);

/* Writes the line. Waits at most a second for a reader that is behind, then drops the line, and all
 * that follow without a wait, until the reader is back: mail goes on without its log. Dropped lines
 * are counted, and the count is logged then. */
void log_write(struct log_line *line);

/* A whole line at once: `event=EVENT what="WHAT" error="..."`, for a failed system call.
 * NUMBER is an errno value, 0 to leave the error out. */
void log_failure(char const *event, char const *what, int number);

#endif
