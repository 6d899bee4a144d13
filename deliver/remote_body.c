#include "deliver/remote_body.h"

#include <errno.h>
#include <unistd.h>

#include "deliver/remote_data.h"
#include "lib/checksum.h"

#define PIECE (16u << 10)

/* Reads the next piece. 0: FAILURE says why. */
static size_t read_piece(struct remote_message const *message, uint64_t done, char *piece,
                         struct failure *failure)
{
    uint64_t const left = message->length - done;
    ssize_t got;
    do
        got = pread(message->descriptor, piece, left < PIECE ? (size_t)left : PIECE,
                    (off_t)(message->offset + done));
    while (got < 0 && errno == EINTR);
    if (got < 0)
        failure_system(failure, "the queue file cannot be read", "", errno);
    if (got == 0)
        failure_set(failure, JOB_CORRUPT, "4.3.0 the queue file is shorter than it says");
    return got > 0 ? (size_t)got : 0;
}

/* Room in the stream, once what is in it has been sent if need be. NULL: *result says why. */
static char *make_room(struct remote_talk *talk, size_t length, enum remote_body *result)
{
    bool refused = false;
    char *room = remote_stream_room(&talk->stream, length);
    if (!room && remote_talk_flush(talk, &refused))
        room = remote_stream_room(&talk->stream, length);
    *result = refused ? REMOTE_BODY_REFUSED : REMOTE_BODY_LOST;
    return room;
}

enum remote_body remote_body_send(struct remote_talk *talk, struct remote_message const *message,
                                  struct failure *failure)
{
    char piece[PIECE], *room;
    struct remote_data data;
    struct checksum sum;
    enum remote_body result;
    bool refused;
    remote_data_start(&data);
    checksum_start(&sum);
    for (uint64_t done = 0; done < message->length;) {
        size_t const got = read_piece(message, done, piece, failure);
        if (!got)
            return REMOTE_BODY_UNFIT;
        done += got;
        checksum_add(&sum, piece, got);
        if (!(room = make_room(talk, 2 * got, &result)))
            return result;
        remote_stream_add(&talk->stream, remote_data_encode(&data, piece, got, room));
    }
    if (checksum_end(&sum) != message->sum) {
        failure_set(failure, JOB_CORRUPT, "4.3.0 the message does not fit its checksum");
        return REMOTE_BODY_UNFIT;
    }
    if (!(room = make_room(talk, REMOTE_DATA_END_MAX, &result)))
        return result;
    remote_stream_add(&talk->stream, remote_data_end(&data, room));
    if (remote_talk_flush(talk, &refused))
        return REMOTE_BODY_SENT;
    return refused ? REMOTE_BODY_REFUSED : REMOTE_BODY_LOST;
}
