/* A message as a program of this machine hands it over, made one with LF line ends: CR LF becomes
 * LF, a last line without an end gets one. All other bytes stay as they are, NUL too. */
#ifndef EKIDEN_MESSAGE_INPUT_H
#define EKIDEN_MESSAGE_INPUT_H

#include <stdbool.h>
#include <stddef.h>

#define MESSAGE_INPUT_PIECE (32u << 10)

struct message_input {
    bool dot_ends; /* a line that is `.` alone ends the message, as in sendmail without -i */
    bool ended;
    bool in_line; /* something stands in the current line */
    bool dot, cr; /* read, and held back: they may belong to an end */
    char bytes[MESSAGE_INPUT_PIECE];
};

void message_input_start(struct message_input *input, bool dot_ends);

/* Reads the next piece from descriptor 0 into OUT, which has room for MESSAGE_INPUT_PIECE + 4
 * bytes. Returns its length, 0 at the end. Dies (tools/problem.h) when it cannot be read. */
size_t message_input_read(struct message_input *input, char *out);

#endif
