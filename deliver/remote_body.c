#include "deliver/remote_body.h"

#include "deliver/remote_reading.h"

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
    struct remote_reading reading;
    enum remote_reading_result read = REMOTE_READING_MORE;
    enum remote_body result;
    bool refused;
    remote_reading_start(&reading, message, REMOTE_DATA_DOTTED);
    while (read == REMOTE_READING_MORE) {
        size_t length;
        char *const room = make_room(talk, REMOTE_READING_MAX, &result);
        if (!room)
            return result;
        read = remote_reading_next(&reading, room, &length, failure);
        if (read == REMOTE_READING_UNFIT)
            return REMOTE_BODY_UNFIT;
        remote_stream_add(&talk->stream, length);
    }
    if (remote_talk_flush(talk, &refused))
        return REMOTE_BODY_SENT;
    return refused ? REMOTE_BODY_REFUSED : REMOTE_BODY_LOST;
}
