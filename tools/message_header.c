#include "tools/message_header.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tools/problem.h"

static struct {
    char const *text;
    unsigned int traits;
} const names[FIELD_NAMES] = {
    [FIELD_OTHER] = {"", 0},
    [FIELD_TO] = {"To", FIELD_ADDRESSES | FIELD_RECIPIENTS},
    [FIELD_CC] = {"Cc", FIELD_ADDRESSES | FIELD_RECIPIENTS},
    [FIELD_BCC] = {"Bcc", FIELD_ADDRESSES | FIELD_RECIPIENTS | FIELD_REMOVED},
    [FIELD_APPARENTLY_TO] = {"Apparently-To", FIELD_ADDRESSES | FIELD_RECIPIENTS},
    [FIELD_FROM] = {"From", FIELD_ADDRESSES},
    [FIELD_SENDER] = {"Sender", FIELD_ADDRESSES},
    [FIELD_REPLY_TO] = {"Reply-To", FIELD_ADDRESSES},
    [FIELD_RETURN_RECEIPT_TO] = {"Return-Receipt-To", FIELD_ADDRESSES},
    [FIELD_ERRORS_TO] = {"Errors-To", FIELD_ADDRESSES},
    [FIELD_MAIL_FOLLOWUP_TO] = {"Mail-Followup-To", FIELD_ADDRESSES},
    [FIELD_MAIL_REPLY_TO] = {"Mail-Reply-To", FIELD_ADDRESSES},
    [FIELD_DATE] = {"Date", 0},
    [FIELD_MESSAGE_ID] = {"Message-ID", 0},
    [FIELD_RETURN_PATH_NAME] = {"Return-Path", FIELD_REMOVED | FIELD_RETURN_PATH},
    [FIELD_CONTENT_LENGTH] = {"Content-Length", FIELD_REMOVED},
    [FIELD_RESENT_TO] = {"Resent-To", FIELD_ADDRESSES | FIELD_RECIPIENTS | FIELD_RESENT},
    [FIELD_RESENT_CC] = {"Resent-Cc", FIELD_ADDRESSES | FIELD_RECIPIENTS | FIELD_RESENT},
    [FIELD_RESENT_BCC] = {"Resent-Bcc",
                          FIELD_ADDRESSES | FIELD_RECIPIENTS | FIELD_RESENT | FIELD_REMOVED},
    [FIELD_RESENT_FROM] = {"Resent-From", FIELD_ADDRESSES | FIELD_RESENT},
    [FIELD_RESENT_SENDER] = {"Resent-Sender", FIELD_ADDRESSES | FIELD_RESENT},
    [FIELD_RESENT_REPLY_TO] = {"Resent-Reply-To", FIELD_ADDRESSES | FIELD_RESENT},
    [FIELD_RESENT_DATE] = {"Resent-Date", FIELD_RESENT},
    [FIELD_RESENT_MESSAGE_ID] = {"Resent-Message-ID", FIELD_RESENT},
};

unsigned int message_header_traits(enum field_name name)
{
    return names[name].traits;
}

bool message_header_has(struct message_header const *header, enum field_name name)
{
    return header->present & 1u << name;
}

/* The length of a field's name at LINE: printable ASCII without a colon, then blanks (obsolete, RFC
 * 5322 4.5), then the colon, at *colon. 0: no field. */
static size_t name_length(char const *line, size_t length, size_t *colon)
{
    size_t name = 0;
    while (name < length && line[name] > ' ' && line[name] < 0x7f && line[name] != ':')
        name++;
    *colon = name;
    while (*colon < length && (line[*colon] == ' ' || line[*colon] == '\t'))
        ++*colon;
    return *colon < length && line[*colon] == ':' ? name : 0;
}

static enum field_name find_name(char const *line, size_t length)
{
    for (unsigned int i = FIELD_OTHER + 1; i < FIELD_NAMES; i++)
        if (strlen(names[i].text) == length && !strncasecmp(names[i].text, line, length))
            return (enum field_name)i;
    return FIELD_OTHER;
}

static void add_field(struct message_header *header, struct message_field const *field)
{
    if ((header->count & (header->count - 1)) == 0) { /* full: a power of two */
        size_t const space = header->count ? header->count * 2 : 1;
        struct message_field *const fields =
            realloc(header->fields, space * sizeof *header->fields);
        if (!fields)
            problem_die(PROBLEM_TEMPORARY, "out of memory", errno);
        header->fields = fields;
    }
    header->fields[header->count++] = *field;
    header->present |= 1u << field->name;
    header->resent |= (names[field->name].traits & FIELD_RESENT) != 0;
}

/* Takes the line from LENGTH to END, its LF included. False: it is none of the header. */
static bool take_line(struct message_header *header, size_t end)
{
    char const *const line = header->text.s + header->length;
    size_t const length = end - header->length;
    struct message_field field = {.start = header->length, .end = end};
    size_t colon;
    header->rest = end;
    if (*line == '\n')
        return false;
    if ((*line == ' ' || *line == '\t') && header->count) {
        header->fields[header->count - 1].end = header->length = end;
        return true;
    }
    size_t const name = name_length(line, length, &colon);
    if (!name) {
        /* What a mailbox file has in front of a message is no part of it. */
        if (!header->length && length > 5 && !memcmp(line, "From ", 5)) {
            memmove(header->text.s, header->text.s + end, header->text.len - end);
            header->text.len -= end;
            return true;
        }
        header->rest = header->length; /* the body begins with it */
        return false;
    }
    field.name = find_name(line, name);
    field.body = header->length + colon + 1;
    add_field(header, &field);
    header->length = end;
    return true;
}

bool message_header_add(struct message_header *header, char const *bytes, size_t length, bool ended)
{
    stralloc *const text = &header->text;
    if (!stralloc_catb(text, bytes, length))
        problem_die(PROBLEM_TEMPORARY, "out of memory", errno);
    while (header->length < text->len) {
        char const *const feed = memchr(text->s + header->length, '\n', text->len - header->length);
        if (!feed)
            break;
        if (!take_line(header, (size_t)(feed + 1 - text->s)))
            return true;
    }
    if (text->len > MESSAGE_HEADER_MAX)
        problem_die(PROBLEM_DATA, "5.3.4 the message's header is longer than 1 MiB", 0);
    if (ended)
        header->rest = text->len;
    return ended;
}
