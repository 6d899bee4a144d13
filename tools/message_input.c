#include "tools/message_input.h"

#include <errno.h>
#include <unistd.h>

#include "tools/problem.h"

void message_input_start(struct message_input *input, bool dot_ends)
{
    input->dot_ends = dot_ends;
    input->ended = input->in_line = input->dot = input->cr = false;
}

/* What was held back is none of an end. */
static size_t release(struct message_input *input, char *out)
{
    size_t length = 0;
    if (input->dot)
        out[length++] = '.';
    if (input->cr)
        out[length++] = '\r';
    input->in_line |= length > 0;
    input->dot = input->cr = false;
    return length;
}

static size_t take(struct message_input *input, char byte, char *out)
{
    size_t length = 0;
    if (byte == '\n') {
        input->ended = input->dot;
        input->dot = input->cr = input->in_line = false;
        if (!input->ended)
            out[length++] = byte;
        return length;
    }
    if (byte == '\r' && !input->cr) {
        input->cr = true;
        return 0;
    }
    if (input->dot || input->cr)
        length = release(input, out);
    if (byte == '\r') {
        input->cr = true;
    } else if (byte == '.' && input->dot_ends && !input->in_line) {
        input->dot = true;
    } else {
        out[length++] = byte;
        input->in_line = true;
    }
    return length;
}

static size_t end(struct message_input *input, char *out)
{
    size_t length = 0;
    input->ended = true;
    if (!input->dot)
        length = release(input, out);
    if (input->in_line)
        out[length++] = '\n';
    return length;
}

size_t message_input_read(struct message_input *input, char *out)
{
    size_t length = 0;
    while (!length && !input->ended) {
        ssize_t const count = read(0, input->bytes, sizeof input->bytes);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            problem_die(PROBLEM_TEMPORARY, "the message cannot be read from standard input", errno);
        if (count == 0)
            return end(input, out);
        for (ssize_t i = 0; i < count && !input->ended; i++)
            length += take(input, input->bytes[i], out + length);
    }
    return length;
}
