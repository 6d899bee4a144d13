#include "deliver/job.h"

#include <string.h>

#include "deliver/dsn_fields.h"
#include "lib/fields.h"

/* FLAGS: each letter at most once, in this order. */
static bool scan_flags(char const *text, struct job *job)
{
    job->body_8bit = *text == '8';
    text += job->body_8bit;
    job->smtputf8 = *text == 'U';
    text += job->smtputf8;
    return !*text;
}

static bool add_flags(stralloc *out, struct job const *job)
{
    return (!job->body_8bit || stralloc_append(out, '8')) &&
           (!job->smtputf8 || stralloc_append(out, 'U')) && stralloc_0(out);
}

bool job_format(stralloc *out, struct job const *job)
{
    size_t const before = out->len;
    char const kind[2] = {(char)job->kind, 0};
    if (fields_add_number(out, job->number) && fields_add_text(out, kind) &&
        fields_add_text(out, job->target) && fields_add_text(out, job->extension) &&
        fields_add_text(out, job->recipient) && fields_add_text(out, job->sender) &&
        fields_add_number(out, job->offset) && fields_add_number(out, job->length) &&
        fields_add_sum(out, job->sum) && add_flags(out, job) &&
        dsn_fields_add_message(out, &job->dsn) &&
        dsn_fields_add_recipient(out, &job->dsn_recipient))
        return true;
    out->len = before;
    return false;
}

/* Only an alias has several lines, each of them text. */
static bool is_target(enum job_kind kind, char const *target)
{
    if (kind != JOB_ALIAS)
        return fields_is_text(target, kind == JOB_MAILBOX ? JOB_MAILBOX_MAX : JOB_TARGET_MAX);
    size_t length = 0;
    for (; target[length]; length++)
        if (length == JOB_TARGET_MAX || target[length] == 0x7f ||
            ((unsigned char)target[length] < 0x20 && target[length] != '\n'))
            return false;
    return true;
}

bool job_parse(struct job *job, char const *bytes, size_t length)
{
    enum { NUMBER, KIND, TARGET, EXTENSION, RECIPIENT, SENDER, OFFSET, LENGTH, SUM, FLAGS, COUNT };
    static char const kinds[] = {JOB_MAILBOX, JOB_SYSTEM, JOB_ALIAS};
    char const *fields[COUNT];
    struct job parsed = {.number = 0};
    job->number = 0;
    if (!length || !memchr(bytes, 0, length) || !fields_scan_number(bytes, &parsed.number))
        return false;
    job->number = parsed.number;
    for (size_t i = 0; i < COUNT; i++)
        if (!(fields[i] = fields_next(&bytes, &length)))
            return false;
    if (!dsn_fields_next_message(&parsed.dsn, &bytes, &length) ||
        !dsn_fields_next_recipient(&parsed.dsn_recipient, &bytes, &length) || length)
        return false;
    char const kind = fields[KIND][0];
    if (!kind || fields[KIND][1] || !memchr(kinds, kind, sizeof kinds))
        return false;
    parsed.kind = (enum job_kind)kind;
    parsed.target = fields[TARGET];
    parsed.extension = fields[EXTENSION];
    parsed.recipient = fields[RECIPIENT];
    parsed.sender = fields[SENDER];
    if (!*parsed.target || !*parsed.recipient || !is_target(parsed.kind, parsed.target) ||
        !fields_is_text(parsed.extension, JOB_ADDRESS_MAX) ||
        !fields_is_text(parsed.recipient, JOB_ADDRESS_MAX) ||
        !fields_is_text(parsed.sender, JOB_ADDRESS_MAX))
        return false;
    if (!fields_scan_number(fields[OFFSET], &parsed.offset) ||
        !fields_scan_number(fields[LENGTH], &parsed.length) ||
        !fields_scan_sum(fields[SUM], &parsed.sum) || !scan_flags(fields[FLAGS], &parsed))
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

bool job_is_delivered(enum job_result result)
{
    return result == JOB_DELIVERED || result == JOB_RELAYED || result == JOB_PASSED_ON ||
           result == JOB_EXPANDED;
}

bool job_answer_format(stralloc *out, struct job_answer const *answer)
{
    size_t const before = out->len;
    char const letter[2] = {(char)answer->result, 0};
    if (fields_add_number(out, answer->number) && stralloc_catb(out, letter, sizeof letter) &&
        add_answer_text(out, answer->text))
        return true;
    out->len = before;
    return false;
}

bool job_answer_parse(struct job_answer *answer, char const *bytes, size_t length)
{
    enum { NUMBER, LETTER, TEXT, COUNT };
    static char const letters[] = {JOB_DELIVERED, JOB_RELAYED, JOB_PASSED_ON, JOB_EXPANDED,
                                   JOB_DEFERRED,  JOB_FAILED,  JOB_CORRUPT,   JOB_UNREACHABLE};
    char const *fields[COUNT];
    struct job_answer parsed;
    if (!fields_split(fields, COUNT, bytes, length) ||
        !fields_scan_number(fields[NUMBER], &parsed.number))
        return false;
    char const letter = fields[LETTER][0];
    if (!letter || fields[LETTER][1] || !memchr(letters, letter, sizeof letters))
        return false;
    parsed.result = (enum job_result)letter;
    parsed.text = fields[TEXT];
    if (!fields_is_text(parsed.text, JOB_TEXT_MAX))
        return false;
    *answer = parsed;
    return true;
}
