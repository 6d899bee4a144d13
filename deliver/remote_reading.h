/* A message as it comes out of the queue file in the form of the wire. */
#ifndef EKIDEN_REMOTE_READING_H
#define EKIDEN_REMOTE_READING_H

#include <stddef.h>
#include <stdint.h>

#include "deliver/failure.h"
#include "deliver/remote_data.h"
#include "deliver/remote_session.h"
#include "lib/checksum.h"

#define REMOTE_READING_PIECE (8u << 10)
#define REMOTE_READING_MAX   (2 * REMOTE_READING_PIECE + REMOTE_DATA_END_MAX)

struct remote_reading {
    struct remote_message const *message;
    struct remote_data data;
    struct checksum sum;
    uint64_t done;
    char piece[REMOTE_READING_PIECE]; /* the last: touched only as far as used */
};

enum remote_reading_result {
    REMOTE_READING_MORE,
    REMOTE_READING_END,  /* it was the last piece, with the end of the message; all of it fits its
                            checksum */
    REMOTE_READING_UNFIT /* *failure: the file cannot be read, or is not what it was (JOB_CORRUPT)
                          */
};

void remote_reading_start(struct remote_reading *reading, struct remote_message const *message,
                          enum remote_data_form form);

/* Converts the next piece to OUT, which has room for REMOTE_READING_MAX; *length says how much it
 * is. With REMOTE_READING_END it is nothing only where the message is empty: so no more than a part
 * of the message has come out before its checksum was seen. */
enum remote_reading_result remote_reading_next(struct remote_reading *reading, char *out,
                                               size_t *length, struct failure *failure);

#endif
