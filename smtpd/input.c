#include "smtpd/input.h"

#include <string.h>

/* What a byte of a command line means here; where a line begins, more bytes are foreign. */
enum byte_class { PLAIN, CR, LF, NUL, FOREIGN };

static enum byte_class classify(char byte, bool first)
{
    unsigned char value = (unsigned char)byte;
    switch (value) {
    case '\r':
        return CR;
    case '\n':
        return LF;
    case 0:
        return NUL;
    case '\t':
        return PLAIN;
    default:
        return first && (value < 0x20 || value >= 0x7f) ? FOREIGN : PLAIN;
    }
}

void input_start(struct input *input, struct stream *stream, input_limit_func *limit)
{
    input->stream = stream;
    input->limit = limit;
    input->scanned = 0;
    input->skipping = input->after_cr = input->answer = false;
}

/* Drops what is skipped. True when the CRLF was found. */
static bool skip(struct input *input)
{
    struct stream *stream = input->stream;
    while (stream->start < stream->end) {
        char byte = stream->input[stream->start++];
        if (byte == '\n' && input->after_cr) {
            input->skipping = input->after_cr = false;
            return true;
        }
        input->after_cr = byte == '\r';
    }
    return false;
}

/* Ends the line at its defect, the byte at `scanned`; what follows is skipped. */
static enum input_result defect(struct input *input, enum input_result result)
{
    input->stream->start += input->scanned;
    input->scanned = 0;
    input->skipping = true;
    input->after_cr = false;
    return result;
}

/* Looks at the bytes that arrived. INPUT_STREAM: the line is not complete, and so far well. */
static enum input_result scan(struct input *input, char const **line, size_t *length)
{
    struct stream *stream = input->stream;
    char const *start = stream->input + stream->start;
    size_t available = stream->end - stream->start;

    for (; input->scanned < available; input->scanned++) {
        size_t here = input->scanned;
        *line = start;
        *length = here;
        if (here + 2 > INPUT_LINE_MIN && here + 2 > input->limit(start, here))
            return defect(input, INPUT_TOO_LONG);
        switch (classify(start[here], here == 0 && !input->answer)) {
        case PLAIN:
            break;
        case CR:
            if (here + 1 == available)
                return INPUT_STREAM; /* the CR is looked at again with what follows it */
            if (start[here + 1] != '\n') {
                input->scanned++;
                return defect(input, INPUT_BARE_CR);
            }
            stream->start += here + 2;
            input->scanned = 0;
            return INPUT_LINE;
        case LF:
            return defect(input, INPUT_BARE_LF);
        case NUL:
            return defect(input, INPUT_NUL);
        case FOREIGN:
            return INPUT_FOREIGN;
        }
    }
    return INPUT_STREAM;
}

enum input_result input_next(struct input *input, char const **line, size_t *length,
                             enum stream_result *ended)
{
    stream_set_deadline(input->stream);
    for (;;) {
        if (!input->skipping || skip(input)) {
            enum input_result result = scan(input, line, length);
            if (result != INPUT_STREAM)
                return result;
        }
        *ended = stream_fill(input->stream);
        if (*ended != STREAM_OK)
            return INPUT_STREAM;
    }
}

enum input_result input_next_answer(struct input *input, input_limit_func *limit, char const **line,
                                    size_t *length, enum stream_result *ended)
{
    input_limit_func *const commands = input->limit;
    input->limit = limit;
    input->answer = true;
    enum input_result const result = input_next(input, line, length, ended);
    input->limit = commands;
    input->answer = false;
    return result;
}
