/* A message's way to the wire said once more, in two plain steps: the oracle for
 * deliver/remote_data.c and remote_scan.c in the unit tests and in the fuzz target. */
#ifndef EKIDEN_TESTS_REMOTE_DATA_REFERENCE_H
#define EKIDEN_TESTS_REMOTE_DATA_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Every line end becomes CR LF, and the last line has one. OUT has room for 2 * LENGTH + 2. */
static inline size_t reference_lines(char const *bytes, size_t length, char *out)
{
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '\n' && i > 0 && bytes[i - 1] == '\r')
            continue; /* the CR has said it */
        if (bytes[i] == '\n' || bytes[i] == '\r') {
            out[used++] = '\r';
            out[used++] = '\n';
        } else {
            out[used++] = bytes[i];
        }
    }
    if (used > 0 && out[used - 1] != '\n') {
        out[used++] = '\r';
        out[used++] = '\n';
    }
    return used;
}

/* Dots are doubled, and one ends it. OUT has room for 2 * LENGTH + 3. */
static inline size_t reference_stuff(char const *lines, size_t length, char *out)
{
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        if (lines[i] == '.' && (i == 0 || lines[i - 1] == '\n'))
            out[used++] = '.';
        out[used++] = lines[i];
    }
    memcpy(out + used, ".\r\n", 3);
    return used + 3;
}

#endif
