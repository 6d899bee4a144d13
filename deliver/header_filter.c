#include "deliver/header_filter.h"

#include <stdint.h>
#include <string.h>

enum state {
    LINE_START,
    NAME,      /* so far the line is the name `names[name]` and perhaps blanks; held back */
    LINE_CR,   /* the line is a CR so far; held back */
    LINE,      /* the rest of a line whose field is known */
    VALUE_GAP, /* Delivered-To: the blanks before its value */
    VALUE      /* Delivered-To: its value, equal to the recipient so far */
};

enum field { FIELD_OTHER, FIELD_RETURN_PATH, FIELD_DELIVERED_TO };

static struct {
    char const *text;
    size_t length;
    enum field field;
} const names[] = {
    {"return-path", 11, FIELD_RETURN_PATH},
    {"delivered-to", 12, FIELD_DELIVERED_TO},
};

static unsigned char lower(char byte)
{
    return (unsigned char)(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

void header_filter_start(struct header_filter *filter, char const *recipient, size_t length)
{
    filter->recipient = recipient;
    filter->recipient_length = length;
    filter->in_body = filter->loop = false;
    filter->state = LINE_START;
    filter->field = FIELD_OTHER;
    filter->name = 0;
    filter->matched = 0;
    filter->held_length = 0;
}

static size_t release(struct header_filter *filter, char *out)
{
    size_t const length = filter->held_length;
    memcpy(out, filter->held, length);
    filter->held_length = 0;
    return length;
}

/* The field that is being read ends before the next byte. */
static void field_ends(struct header_filter *filter)
{
    if (filter->field == FIELD_DELIVERED_TO && filter->matched == filter->recipient_length)
        filter->loop = true;
    filter->field = FIELD_OTHER;
    filter->matched = SIZE_MAX;
}

/* Looks at the first byte of a line without taking it. */
static void line_begins(struct header_filter *filter, char byte)
{
    if (is_blank(byte)) { /* a folded line goes on with its field */
        filter->state = filter->field == FIELD_DELIVERED_TO && filter->matched == 0 ? VALUE_GAP
                        : filter->field == FIELD_DELIVERED_TO                       ? VALUE
                                                                                    : LINE;
        return;
    }
    field_ends(filter);
    filter->state = LINE;
    if (byte == '\n') {
        filter->in_body = true;
    } else if (byte == '\r') {
        filter->state = LINE_CR;
    } else {
        for (unsigned char i = 0; i < sizeof names / sizeof *names; i++)
            if (lower(byte) == (unsigned char)names[i].text[0]) {
                filter->state = NAME;
                filter->name = i;
                filter->matched = 0;
            }
    }
}

enum verdict { HOLD, KEEP, DROP, AGAIN };

/* A byte of what may be a field's name. AGAIN: it is not, look at the byte in the new state. */
static enum verdict name_byte(struct header_filter *filter, char byte)
{
    size_t const length = names[filter->name].length;
    if (filter->matched < length) {
        if (lower(byte) == (unsigned char)names[filter->name].text[filter->matched]) {
            filter->matched++;
            return HOLD;
        }
    } else if (byte == ':') {
        filter->field = (unsigned char)names[filter->name].field;
        filter->matched = 0;
        filter->state = filter->field == FIELD_DELIVERED_TO ? VALUE_GAP : LINE;
        return filter->field == FIELD_DELIVERED_TO ? KEEP : DROP;
    } else if (is_blank(byte) && filter->held_length < HEADER_FILTER_HELD_MAX) {
        return HOLD;
    }
    filter->state = LINE;
    return AGAIN;
}

/* A byte of the value of Delivered-To. Blanks (folds among them) before and after it do not count;
 * the recipient's own are compared. */
static void value_byte(struct header_filter *filter, char byte)
{
    if (byte == '\n') {
        filter->state = LINE_START;
        return;
    }
    if (filter->state == VALUE_GAP && (is_blank(byte) || byte == '\r'))
        return;
    filter->state = VALUE;
    if (filter->matched < filter->recipient_length &&
        lower(byte) == lower(filter->recipient[filter->matched])) {
        filter->matched++;
    } else if (filter->matched < filter->recipient_length || (!is_blank(byte) && byte != '\r')) {
        filter->field = FIELD_OTHER;
        filter->state = LINE;
    }
}

static enum verdict byte_verdict(struct header_filter *filter, char byte)
{
    switch ((enum state)filter->state) {
    case LINE_START:
        line_begins(filter, byte);
        return filter->in_body ? KEEP : filter->state == LINE_CR ? HOLD : AGAIN;
    case NAME:
        return name_byte(filter, byte);
    case LINE_CR:
        if (byte == '\n') {
            filter->in_body = true;
            return KEEP;
        }
        filter->state = LINE;
        return AGAIN;
    case VALUE_GAP:
    case VALUE:
        value_byte(filter, byte);
        return KEEP;
    case LINE:
        break;
    }
    return KEEP; /* not reached: header_filter_pass takes the rest of a line at once */
}

/* Takes the rest of the line, its LF included if it is there. Returns its length. */
static size_t pass_line(struct header_filter *filter, char const *bytes, size_t length)
{
    char const *const end = memchr(bytes, '\n', length);
    if (!end)
        return length;
    filter->state = LINE_START;
    return (size_t)(end + 1 - bytes);
}

size_t header_filter_pass(struct header_filter *filter, char const *bytes, size_t length, char *out)
{
    size_t used = 0, i = 0;
    while (i < length && !filter->in_body) {
        if (filter->state == LINE) {
            used += release(filter, out + used);
            size_t const taken = pass_line(filter, bytes + i, length - i);
            if (filter->field != FIELD_RETURN_PATH) {
                memcpy(out + used, bytes + i, taken);
                used += taken;
            }
            i += taken;
            continue;
        }
        switch (byte_verdict(filter, bytes[i])) {
        case HOLD:
            filter->held[filter->held_length++] = bytes[i++];
            break;
        case KEEP:
            used += release(filter, out + used);
            out[used++] = bytes[i++];
            break;
        case DROP:
            filter->held_length = 0;
            i++;
            break;
        case AGAIN:
            break;
        }
    }
    memcpy(out + used, bytes + i, length - i);
    return used + length - i;
}

size_t header_filter_end(struct header_filter *filter, char *out)
{
    if (!filter->in_body) {
        field_ends(filter);
        filter->in_body = true;
    }
    return release(filter, out);
}
