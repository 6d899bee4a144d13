#include "smtpd/data.h"

#include <string.h>

enum state {
    LINE_START, /* after CRLF, or at the very beginning */
    IN_LINE,
    AFTER_CR,
    AFTER_DOT,        /* a dot at the line's start: stuffing, or the end */
    AFTER_DOT_CR,     /* and CR: the end if LF follows */
    CHUNK_LINE_START, /* the same in chunks, where a dot is a byte like others */
    CHUNK_IN_LINE,
    CHUNK_AFTER_CR,
    STATES,
    FINISHED = STATES
};

enum class { OTHER, CR, LF, DOT, NUL, CLASSES };

#define PLAIN_MAX 1024

enum { EMIT = 8, EMIT_LINE_END = 16 }; /* beside the defects of data.h */

/* A defect never leads to LINE_START, so that `LF . CRLF` and its like end nothing. */
static struct {
    unsigned char next, action;
} const transitions[STATES][CLASSES] = {
    [LINE_START] = {[OTHER] = {IN_LINE, EMIT},
                    [CR] = {AFTER_CR, 0},
                    [LF] = {IN_LINE, DATA_BARE_LF},
                    [DOT] = {AFTER_DOT, 0},
                    [NUL] = {IN_LINE, DATA_NUL}},
    [IN_LINE] = {[OTHER] = {IN_LINE, EMIT},
                 [CR] = {AFTER_CR, 0},
                 [LF] = {IN_LINE, DATA_BARE_LF},
                 [DOT] = {IN_LINE, EMIT},
                 [NUL] = {IN_LINE, DATA_NUL}},
    [AFTER_CR] = {[OTHER] = {IN_LINE, DATA_BARE_CR},
                  [CR] = {AFTER_CR, DATA_BARE_CR},
                  [LF] = {LINE_START, EMIT_LINE_END},
                  [DOT] = {IN_LINE, DATA_BARE_CR},
                  [NUL] = {IN_LINE, DATA_BARE_CR | DATA_NUL}},
    [AFTER_DOT] = {[OTHER] = {IN_LINE, EMIT},
                   [CR] = {AFTER_DOT_CR, 0},
                   [LF] = {IN_LINE, DATA_BARE_LF},
                   [DOT] = {IN_LINE, EMIT},
                   [NUL] = {IN_LINE, DATA_NUL}},
    [AFTER_DOT_CR] = {[OTHER] = {IN_LINE, DATA_BARE_CR},
                      [CR] = {AFTER_CR, DATA_BARE_CR},
                      [LF] = {FINISHED, 0},
                      [DOT] = {IN_LINE, DATA_BARE_CR},
                      [NUL] = {IN_LINE, DATA_BARE_CR | DATA_NUL}},
    [CHUNK_LINE_START] = {[OTHER] = {CHUNK_IN_LINE, EMIT},
                          [CR] = {CHUNK_AFTER_CR, 0},
                          [LF] = {CHUNK_IN_LINE, DATA_BARE_LF},
                          [DOT] = {CHUNK_IN_LINE, EMIT},
                          [NUL] = {CHUNK_IN_LINE, DATA_NUL}},
    [CHUNK_IN_LINE] = {[OTHER] = {CHUNK_IN_LINE, EMIT},
                       [CR] = {CHUNK_AFTER_CR, 0},
                       [LF] = {CHUNK_IN_LINE, DATA_BARE_LF},
                       [DOT] = {CHUNK_IN_LINE, EMIT},
                       [NUL] = {CHUNK_IN_LINE, DATA_NUL}},
    [CHUNK_AFTER_CR] = {[OTHER] = {CHUNK_IN_LINE, DATA_BARE_CR},
                        [CR] = {CHUNK_AFTER_CR, DATA_BARE_CR},
                        [LF] = {CHUNK_LINE_START, EMIT_LINE_END},
                        [DOT] = {CHUNK_IN_LINE, DATA_BARE_CR},
                        [NUL] = {CHUNK_IN_LINE, DATA_BARE_CR | DATA_NUL}},
};

static unsigned char const class_of[256] = {[0] = NUL, ['\r'] = CR, ['\n'] = LF, ['.'] = DOT};

void data_start(struct data *data, enum data_form form)
{
    data->state = form == DATA_CHUNKS ? CHUNK_LINE_START : LINE_START;
    data->defects = 0;
    data->size = 0;
}

/* How many bytes from BYTES on are plain content of a line, CR, LF and NUL excluded. memchr looks
 * at 32 bytes in a step, the table at one. Not further than PLAIN_MAX at once: a buffer full of
 * bare CRs would otherwise be searched to its end for an LF again and again. */
static size_t plain_length(char const *bytes, size_t length)
{
    if (length > PLAIN_MAX)
        length = PLAIN_MAX;
    char const *stop = memchr(bytes, '\n', length);
    if (stop)
        length = (size_t)(stop - bytes);
    stop = memchr(bytes, '\r', length);
    if (stop)
        length = (size_t)(stop - bytes);
    stop = memchr(bytes, 0, length);
    return stop ? (size_t)(stop - bytes) : length;
}

bool data_decode(struct data *data, char *bytes, size_t length, size_t *used, size_t *produced)
{
    size_t in = 0, out = 0;
    while (in < length && data->state != FINISHED) {
        if (data->state == IN_LINE || data->state == CHUNK_IN_LINE) {
            size_t plain = plain_length(bytes + in, length - in);
            if (out != in)
                memmove(bytes + out, bytes + in, plain);
            in += plain;
            out += plain;
            data->size += plain;
            if (in == length || plain == PLAIN_MAX)
                continue;
        }
        char byte = bytes[in++];
        unsigned int class = class_of[(unsigned char)byte];
        unsigned int action = transitions[data->state][class].action;
        data->state = transitions[data->state][class].next;
        data->defects |= action & (DATA_BARE_CR | DATA_BARE_LF | DATA_NUL);
        if (action & EMIT) {
            bytes[out++] = byte;
            data->size++;
        } else if (action & EMIT_LINE_END) {
            bytes[out++] = '\n';
            data->size += 2;
        }
    }
    *used = in;
    *produced = out;
    return data->state == FINISHED;
}

size_t data_finish(struct data *data, char *byte)
{
    if (data->state == CHUNK_AFTER_CR)
        data->defects |= DATA_BARE_CR;
    if (data->state == CHUNK_LINE_START)
        return 0;
    *byte = '\n';
    data->size += 2;
    return 1;
}
