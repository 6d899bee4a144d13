/* RFC 5321 4.5.2 said once more, as slowly and plainly as can be: the oracle for smtpd/data.c in
 * the unit test and in the fuzz target. */
#ifndef EKIDEN_TESTS_DATA_REFERENCE_H
#define EKIDEN_TESTS_DATA_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "smtpd/data.h"

struct reference {
    bool finished;
    size_t used, produced;
    unsigned int defects;
};

/* Decodes all of WIRE at once into OUT (LENGTH bytes). */
static inline struct reference reference_decode(char const *wire, size_t length, char *out)
{
    struct reference result = {.finished = false, .used = length, .produced = 0, .defects = 0};
    /* The message ends at the first CRLF.CRLF; the CRLF that closed the command line counts. */
    size_t end = length;
    if (length >= 3 && memcmp(wire, ".\r\n", 3) == 0) {
        result.finished = true;
        result.used = 3;
        return result;
    }
    for (size_t i = 0; i + 5 <= length; i++)
        if (memcmp(wire + i, "\r\n.\r\n", 5) == 0) {
            result.finished = true;
            result.used = i + 5;
            end = i + 2;
            break;
        }
    for (size_t i = 0; i < end; i++) {
        bool after_crlf = i == 0 || (i >= 2 && memcmp(wire + i - 2, "\r\n", 2) == 0);
        if (wire[i] == 0)
            result.defects |= DATA_NUL;
        else if (wire[i] == '\n' && (i == 0 || wire[i - 1] != '\r'))
            result.defects |= DATA_BARE_LF;
        else if (wire[i] == '\r' && i + 1 < end && wire[i + 1] != '\n')
            result.defects |= DATA_BARE_CR;
        else if (wire[i] != '\r' && !(wire[i] == '.' && after_crlf))
            out[result.produced++] = wire[i];
    }
    return result;
}

/* The same for chunks, which hold all of WIRE: every octet counts, and a last line gets its CRLF.
 */
static inline struct reference reference_decode_chunks(char const *wire, size_t length, char *out)
{
    struct reference result = {.finished = true, .used = length, .produced = 0, .defects = 0};
    bool in_line = false;
    for (size_t i = 0; i < length; i++) {
        bool line_end = wire[i] == '\n' && i > 0 && wire[i - 1] == '\r';
        if (wire[i] == 0)
            result.defects |= DATA_NUL;
        else if (wire[i] == '\n' && !line_end)
            result.defects |= DATA_BARE_LF;
        else if (wire[i] == '\r' && (i + 1 == length || wire[i + 1] != '\n'))
            result.defects |= DATA_BARE_CR;
        else if (wire[i] != '\r')
            out[result.produced++] = wire[i];
        in_line = !line_end;
    }
    if (in_line)
        out[result.produced++] = '\n';
    return result;
}

#endif
