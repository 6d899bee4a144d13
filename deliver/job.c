#include "deliver/job.h"

#include <string.h>

#include <skalibs/types.h>

#define SUM_DIGITS 16

/* A number of the form: its digits, nothing before, between or after them. */
static bool scan_number(char const *text, uint64_t *value)
{
    return uint640_scan(text, value) != 0;
}

static bool scan_sum(char const *text, uint64_t *value)
{
    return strlen(text) == SUM_DIGITS && uint640_xscan(text, value) != 0;
}

/* The three strings end up in a header, a path and a log: a control character in one of them would
 * be a line of its own there. */
static bool is_printable(char const *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

/* Splits BYTES into exactly COUNT strings, each with its NUL. */
static bool split(char const **fields, size_t count, char const *bytes, size_t length)
{
    for (size_t i = 0; i < count; i++) {
        char const *const end = length ? memchr(bytes, 0, length) : NULL;
        if (!end)
            return false;
        fields[i] = bytes;
        length -= (size_t)(end + 1 - bytes);
        bytes = end + 1;
    }
    return length == 0;
}

static bool add_number(stralloc *out, uint64_t value)
{
    char digits[UINT64_FMT];
    return stralloc_catb(out, digits, uint64_fmt(digits, value)) && stralloc_0(out);
}

static bool add_text(stralloc *out, char const *text)
{
    return stralloc_catb(out, text, strlen(text) + 1);
}

static bool add_sum(stralloc *out, uint64_t sum)
{
    char digits[UINT64_XFMT];
    size_t const length = uint64_xfmt(digits, sum);
    return stralloc_catb(out, "0000000000000000", SUM_DIGITS - length) &&
           stralloc_catb(out, digits, length) && stralloc_0(out);
}

bool job_format(stralloc *out, struct job const *job)
{
    size_t const before = out->len;
    if (add_number(out, job->number) && add_text(out, job->mailbox) &&
        add_text(out, job->recipient) && add_text(out, job->sender) &&
        add_number(out, job->offset) && add_number(out, job->length) && add_sum(out, job->sum))
        return true;
    out->len = before;
    return false;
}

bool job_parse(struct job *job, char const *bytes, size_t length)
{
    enum { NUMBER, MAILBOX, RECIPIENT, SENDER, OFFSET, LENGTH, SUM, COUNT };
    char const *fields[COUNT];
    struct job parsed = {.number = 0};
    job->number = 0;
    if (!length || !memchr(bytes, 0, length) || !scan_number(bytes, &parsed.number))
        return false;
    job->number = parsed.number;
    if (!split(fields, COUNT, bytes, length))
        return false;
    parsed.mailbox = fields[MAILBOX];
    parsed.recipient = fields[RECIPIENT];
    parsed.sender = fields[SENDER];
    if (strlen(parsed.mailbox) > JOB_MAILBOX_MAX || strlen(parsed.recipient) > JOB_ADDRESS_MAX ||
        strlen(parsed.sender) > JOB_ADDRESS_MAX)
        return false;
    if (!*parsed.mailbox || !*parsed.recipient)
        return false;
    if (!is_printable(parsed.mailbox) || !is_printable(parsed.recipient) ||
        !is_printable(parsed.sender))
        return false;
    if (!scan_number(fields[OFFSET], &parsed.offset) ||
        !scan_number(fields[LENGTH], &parsed.length) || !scan_sum(fields[SUM], &parsed.sum))
        return false;
    if (parsed.offset > INT64_MAX || parsed.length > INT64_MAX - parsed.offset)
        return false;
    *job = parsed;
    return true;
}

/* Appends TEXT as an answer may hold it: control characters become `?`, and where it is cut no
 * UTF-8 character is left in two. */
static bool add_answer_text(stralloc *out, char const *text)
{
    size_t length = strlen(text);
    if (length > JOB_TEXT_MAX) {
        length = JOB_TEXT_MAX;
        while (length > JOB_TEXT_MAX - 3 && ((unsigned char)text[length] & 0xc0) == 0x80)
            length--;
    }
    size_t const start = out->len;
    if (!stralloc_catb(out, text, length) || !stralloc_0(out))
        return false;
    for (size_t i = start; i < start + length; i++)
        if ((unsigned char)out->s[i] < 0x20 || out->s[i] == 0x7f)
            out->s[i] = '?';
    return true;
}

bool job_answer_format(stralloc *out, struct job_answer const *answer)
{
    size_t const before = out->len;
    char const letter[2] = {(char)answer->result, 0};
    if (add_number(out, answer->number) && stralloc_catb(out, letter, sizeof letter) &&
        add_answer_text(out, answer->text))
        return true;
    out->len = before;
    return false;
}

bool job_answer_parse(struct job_answer *answer, char const *bytes, size_t length)
{
    enum { NUMBER, LETTER, TEXT, COUNT };
    static char const letters[] = {JOB_DELIVERED, JOB_DEFERRED, JOB_FAILED, JOB_CORRUPT};
    char const *fields[COUNT];
    struct job_answer parsed;
    if (!split(fields, COUNT, bytes, length) || !scan_number(fields[NUMBER], &parsed.number))
        return false;
    char const letter = fields[LETTER][0];
    if (!letter || fields[LETTER][1] || !memchr(letters, letter, sizeof letters))
        return false;
    parsed.result = (enum job_result)letter;
    parsed.text = fields[TEXT];
    if (strlen(parsed.text) > JOB_TEXT_MAX || !is_printable(parsed.text))
        return false;
    *answer = parsed;
    return true;
}
