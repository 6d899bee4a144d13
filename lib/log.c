#include "lib/log.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/types.h>

#define LOG_WAIT_MILLISECONDS 1000
#define LOG_RESERVE           16 /* room for " cut=1\n" in each line */

static char const *program = "ekiden";
static uint64_t dropped;

void log_start(char const *name)
{
    program = name;
}

static bool append(struct log_line *line, char const *bytes, size_t length)
{
    if (length > LOG_LINE_MAX - LOG_RESERVE - line->length)
        return false;
    memcpy(line->bytes + line->length, bytes, length);
    line->length += length;
    return true;
}

static void mark_cut(struct log_line *line)
{
    static char const mark[] = " cut=1";
    size_t const length = sizeof mark - 1;
    if (line->length >= length && !memcmp(line->bytes + line->length - length, mark, length))
        return;
    if (length < LOG_LINE_MAX - line->length) {
        memcpy(line->bytes + line->length, mark, length);
        line->length += length;
    }
}

static bool is_plain(unsigned char c)
{
    return c > 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Writes VALUE in its form for the log to OUT, which has room for 4 bytes each and 5 more. */
static size_t escape(char *out, char const *value, size_t length)
{
    static char const digits[] = "0123456789abcdef";
    size_t const shown = length < LOG_VALUE_MAX ? length : LOG_VALUE_MAX;
    bool quoted = length == 0;
    for (size_t i = 0; i < shown && !quoted; i++)
        quoted = !is_plain((unsigned char)value[i]);
    size_t used = 0;
    if (quoted)
        out[used++] = '"';
    for (size_t i = 0; i < shown; i++) {
        unsigned char const c = (unsigned char)value[i];
        if (is_plain(c) || c == ' ') {
            out[used++] = (char)c;
        } else {
            out[used++] = '\\';
            out[used++] = 'x';
            out[used++] = digits[c >> 4];
            out[used++] = digits[c & 15];
        }
    }
    if (shown < length) {
        memcpy(out + used, "...", 3);
        used += 3;
    }
    if (quoted)
        out[used++] = '"';
    return used;
}

void log_begin(struct log_line *line, char const *event)
{
    line->length = 0;
    append(line, program, strlen(program));
    append(line, ":", 1);
    log_text(line, "event", event);
}

void log_bytes(struct log_line *line, char const *key, char const *value, size_t length)
{
    char field[4 * LOG_VALUE_MAX + 8];
    size_t const key_length = strlen(key);
    size_t const field_length = escape(field, value, length);
    if (key_length + field_length + 2 > LOG_LINE_MAX - LOG_RESERVE - line->length) {
        mark_cut(line);
        return;
    }
    append(line, " ", 1);
    append(line, key, key_length);
    append(line, "=", 1);
    append(line, field, field_length);
}

void log_text(struct log_line *line, char const *key, char const *value)
{
    log_bytes(line, key, value, strlen(value));
}

void log_number(struct log_line *line, char const *key, uint64_t value)
{
    char digits[UINT64_FMT];
    log_bytes(line, key, digits, uint64_fmt(digits, value));
}

void log_errno(struct log_line *line, int number)
{
    log_text(line, "error", strerror(number));
}

void log_status(struct log_line *line, int status)
{
    if (WIFSIGNALED(status))
        log_number(line, "signal", (uint64_t)WTERMSIG(status));
    else
        log_number(line, "exit", (uint64_t)WEXITSTATUS(status));
}

/* Only the first line waits: a reader that is gone for good must not cost a second a line. */
static bool write_line(struct log_line *line)
{
    struct pollfd ready = {.fd = 2, .events = POLLOUT};
    int const polled = poll(&ready, 1, dropped ? 0 : LOG_WAIT_MILLISECONDS);
    if (polled == 0 || (polled > 0 && !(ready.revents & POLLOUT)))
        return false;
    line->bytes[line->length++] = '\n';
    return write(2, line->bytes, line->length) == (ssize_t)line->length;
}

void log_write(struct log_line *line)
{
    int const saved = errno;
    if (dropped) {
        struct log_line note;
        log_begin(&note, "log-lines-dropped");
        log_number(&note, "count", dropped);
        if (write_line(&note))
            dropped = 0;
    }
    if (dropped || !write_line(line))
        dropped++;
    errno = saved;
}

void log_failure(char const *event, char const *what, int number)
{
    struct log_line line;
    log_begin(&line, event);
    log_text(&line, "what", what);
    if (number)
        log_errno(&line, number);
    log_write(&line);
}
