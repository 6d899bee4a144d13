#include "deliver/remote_reading.h"

#include <errno.h>
#include <unistd.h>

void remote_reading_start(struct remote_reading *reading, struct remote_message const *message,
                          enum remote_data_form form)
{
    reading->message = message;
    reading->done = 0;
    remote_data_start(&reading->data, form);
    checksum_start(&reading->sum);
}

/* The bytes of the next piece. The last one is more than a byte: an LF behind a CR says nothing. */
static size_t size_of_next(struct remote_reading const *reading)
{
    uint64_t const left = reading->message->length - reading->done;
    if (left <= REMOTE_READING_PIECE)
        return (size_t)left;
    return left == REMOTE_READING_PIECE + 1 ? REMOTE_READING_PIECE - 1 : REMOTE_READING_PIECE;
}

/* Reads SIZE bytes. False: *failure says why. */
static bool read_piece(struct remote_reading *reading, size_t size, struct failure *failure)
{
    struct remote_message const *const message = reading->message;
    for (size_t got = 0; got < size;) {
        ssize_t const now = pread(message->descriptor, reading->piece + got, size - got,
                                  (off_t)(message->offset + reading->done + got));
        if (now < 0 && errno == EINTR)
            continue;
        if (now < 0)
            failure_system(failure, "the queue file cannot be read", "", errno);
        if (now == 0)
            failure_set(failure, JOB_CORRUPT, "4.3.0 the queue file is shorter than it says");
        if (now <= 0)
            return false;
        got += (size_t)now;
    }
    return true;
}

enum remote_reading_result remote_reading_next(struct remote_reading *reading, char *out,
                                               size_t *length, struct failure *failure)
{
    size_t const size = size_of_next(reading);
    if (!read_piece(reading, size, failure))
        return REMOTE_READING_UNFIT;
    reading->done += size;
    checksum_add(&reading->sum, reading->piece, size);
    *length = remote_data_encode(&reading->data, reading->piece, size, out);
    if (reading->done < reading->message->length)
        return REMOTE_READING_MORE;
    if (checksum_end(&reading->sum) != reading->message->sum) {
        failure_set(failure, JOB_CORRUPT, "4.3.0 the message does not fit its checksum");
        return REMOTE_READING_UNFIT;
    }
    *length += remote_data_end(&reading->data, out + *length);
    return REMOTE_READING_END;
}
