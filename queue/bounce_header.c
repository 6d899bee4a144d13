#include "queue/bounce_header.h"

#include <string.h>
#include <strings.h>

enum field { FIELD_OTHER, FIELD_MESSAGE_ID, FIELD_AUTO_SUBMITTED, FIELD_PRECEDENCE, FIELD_LIST };

static struct {
    char const *name; /* lower case */
    size_t length;
    bool prefix; /* the field's name only begins so */
    enum field field;
} const fields[] = {
    {"message-id", 10, false, FIELD_MESSAGE_ID},
    {"auto-submitted", 14, false, FIELD_AUTO_SUBMITTED},
    {"precedence", 10, false, FIELD_PRECEDENCE},
    {"list-", 5, true, FIELD_LIST},
};

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* The field that a line begins, and where its value starts. */
static enum field find_field(char const *line, size_t length, size_t *value)
{
    char const *const colon = memchr(line, ':', length);
    size_t name = colon ? (size_t)(colon - line) : 0;
    *value = name + 1;
    while (name && is_blank(line[name - 1])) /* RFC 5322 4.5: blanks before the colon */
        name--;
    for (size_t i = 0; name && i < sizeof fields / sizeof *fields; i++)
        if ((fields[i].prefix ? name >= fields[i].length : name == fields[i].length) &&
            strncasecmp(line, fields[i].name, fields[i].length) == 0)
            return fields[i].field;
    return FIELD_OTHER;
}

/* The first word of a value, up to a blank, a parameter or a comment. */
static bool word_is(char const *value, size_t length, char const *word)
{
    size_t end = 0;
    while (end < length && !is_blank(value[end]) && value[end] != ';' && value[end] != '(')
        end++;
    return end == strlen(word) && strncasecmp(value, word, end) == 0;
}

static void take_message_id(struct bounce_header *header, char const *value, size_t length)
{
    bool at = false;
    if (header->message_id[0] || length < 3 || length > BOUNCE_MESSAGE_ID_MAX || value[0] != '<' ||
        value[length - 1] != '>')
        return;
    for (size_t i = 1; i < length - 1; i++) {
        if (value[i] <= ' ' || value[i] > '~' || value[i] == '<' || value[i] == '>')
            return;
        at |= value[i] == '@';
    }
    if (at)
        memcpy(header->message_id, value, length);
}

/* A whole field, unfolded in place: the folds are blanks around and inside its value. */
static void take_field(struct bounce_header *header, char const *bytes, size_t length)
{
    size_t start;
    enum field const field = find_field(bytes, length, &start);
    if (field == FIELD_OTHER)
        return;
    while (start < length && is_blank(bytes[start]))
        start++;
    while (length > start && is_blank(bytes[length - 1]))
        length--;
    char const *const value = bytes + start;
    length -= start;
    switch (field) {
    case FIELD_MESSAGE_ID:
        take_message_id(header, value, length);
        break;
    case FIELD_AUTO_SUBMITTED:
        header->automatic |= !word_is(value, length, "no");
        break;
    case FIELD_PRECEDENCE:
        header->bulk |= word_is(value, length, "bulk") || word_is(value, length, "list") ||
                        word_is(value, length, "junk");
        break;
    case FIELD_LIST:
        header->list = true;
        break;
    case FIELD_OTHER:
        break;
    }
}

void bounce_header_look(struct bounce_header *header, char const *bytes, size_t length)
{
    size_t field = 0, line = 0; /* where the field and the line at hand begin */
    *header = (struct bounce_header){.length = 0};
    while (line < length) {
        char const *const end = memchr(bytes + line, '\n', length - line);
        if (!end)
            break; /* cut in a line: its field would be taken for less than it is */
        size_t const next = (size_t)(end + 1 - bytes);
        bool const empty = next - line == 1 || (next - line == 2 && bytes[line] == '\r');
        if (!empty && line > field && (bytes[line] == ' ' || bytes[line] == '\t')) {
            line = next;
            continue;
        }
        take_field(header, bytes + field, line - field);
        if (empty) {
            header->ended = true;
            header->length = line;
            return;
        }
        field = line;
        line = next;
    }
    /* No empty line: what is there is all header, and its last field may be whole. */
    take_field(header, bytes + field, line - field);
    header->length = length;
}
