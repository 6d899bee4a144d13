#include "smtpd/submission.h"

#include <string.h>

#include <skalibs/bytestr.h>

enum state {
    LINE_START, /* nothing of the line has come */
    IN_NAME,    /* what has come of it is held, and may be a name */
    AFTER_NAME, /* blanks between name and colon: RFC 5322 4.5 */
    IN_LINE,    /* it is a field, or continues one */
    IN_BODY     /* the header is over */
};

void submission_start(struct submission *submission, submission_put_func *put, void *context,
                      char const *date, char const *message_id)
{
    submission->put = put;
    submission->context = context;
    submission->date = date;
    submission->message_id = message_id;
    submission->state = LINE_START;
    submission->begun = submission->has_date = submission->has_message_id = false;
    submission->in_from = submission->from_too_long = false;
    submission->from_count = 0;
    submission->held_length = submission->name_length = submission->from_length = 0;
}

static void put_text(struct submission *submission, char const *text)
{
    submission->put(submission->context, text, strlen(text));
}

static void put_field(struct submission *submission, char const *name, char const *value)
{
    put_text(submission, name);
    put_text(submission, value);
    put_text(submission, "\n");
}

static void release(struct submission *submission)
{
    if (submission->held_length > 0)
        submission->put(submission->context, submission->held, submission->held_length);
    submission->held_length = 0;
}

/* SEPARATED: the empty line is there, or nothing follows. */
static void end_header(struct submission *submission, bool separated)
{
    submission->in_from = false;
    submission->state = IN_BODY;
    if (!submission->has_date)
        put_field(submission, "Date: ", submission->date);
    if (!submission->has_message_id)
        put_field(submission, "Message-ID: ", submission->message_id);
    if (!separated)
        put_text(submission, "\n");
    release(submission);
}

static bool is_name(struct submission const *submission, char const *name)
{
    return submission->name_length == strlen(name) &&
           case_equalb(submission->held, submission->name_length, name);
}

/* The held bytes are a field's name and its colon. */
static void begin_field(struct submission *submission)
{
    submission->begun = true;
    submission->has_date |= is_name(submission, "Date");
    submission->has_message_id |= is_name(submission, "Message-ID");
    submission->in_from = is_name(submission, "From") && ++submission->from_count == 1;
    if (submission->from_count > 2)
        submission->from_count = 2;
    submission->state = IN_LINE;
    release(submission);
}

static void hold(struct submission *submission, char byte)
{
    submission->held[submission->held_length++] = byte;
}

/* The first byte of a line. */
static void begin_line(struct submission *submission, char byte)
{
    hold(submission, byte);
    if (byte == '\n') {
        end_header(submission, true);
    } else if (byte == ' ' || byte == '\t') {
        if (!submission->begun) {
            end_header(submission, false);
            return;
        }
        submission->state = IN_LINE;
        submission->held_length = 0; /* goes out with the line */
    } else if (byte > 0x20 && byte < 0x7f && byte != ':') {
        submission->name_length = 1;
        submission->state = IN_NAME;
    } else {
        end_header(submission, false);
    }
}

/* A further byte of what may be a name. */
static void go_on_with_name(struct submission *submission, char byte)
{
    bool const blank = byte == ' ' || byte == '\t';
    bool const text = byte > 0x20 && byte < 0x7f && submission->state == IN_NAME;
    hold(submission, byte);
    if (byte == ':') {
        begin_field(submission);
    } else if ((!blank && !text) || submission->held_length > SUBMISSION_NAME_MAX) {
        end_header(submission, false);
    } else if (blank) {
        submission->state = AFTER_NAME;
    } else {
        submission->name_length++;
    }
}

static void keep_from(struct submission *submission, char const *bytes, size_t length)
{
    if (length > SUBMISSION_FROM_MAX - submission->from_length) {
        submission->from_too_long = true;
        return;
    }
    memcpy(submission->from + submission->from_length, bytes, length);
    submission->from_length += length;
}

/* The rest of a line that belongs to a field. Returns how many bytes that was. */
static size_t pass_line(struct submission *submission, char const *bytes, size_t length)
{
    char const *const end = memchr(bytes, '\n', length);
    size_t const size = end ? (size_t)(end - bytes) + 1 : length;
    if (submission->in_from)
        keep_from(submission, bytes, size);
    submission->put(submission->context, bytes, size);
    if (end)
        submission->state = LINE_START;
    return size;
}

void submission_add(struct submission *submission, char const *bytes, size_t length)
{
    size_t done = 0;
    while (done < length && submission->state != IN_BODY)
        switch ((enum state)submission->state) {
        case LINE_START:
            begin_line(submission, bytes[done]);
            /* The blank of a continuation is passed with its line. */
            done += submission->state != IN_LINE;
            break;
        case IN_NAME:
        case AFTER_NAME:
            go_on_with_name(submission, bytes[done++]);
            break;
        case IN_LINE:
            done += pass_line(submission, bytes + done, length - done);
            break;
        case IN_BODY:
            break;
        }
    if (done < length)
        submission->put(submission->context, bytes + done, length - done);
}

void submission_end(struct submission *submission)
{
    if (submission->state != IN_BODY) /* a line always has its end: what is held is no field */
        end_header(submission, submission->held_length == 0);
}

bool submission_header_is_over(struct submission const *submission)
{
    return submission->state == IN_BODY;
}
