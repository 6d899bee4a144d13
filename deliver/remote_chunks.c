#include "deliver/remote_chunks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "deliver/remote_reading.h"

#define CHUNK       (1u << 20)
#define COMMAND_MAX sizeof "BDAT 1048576 LAST"

/* The sending, as far as it has come. */
struct sending {
    struct remote_talk *talk;
    uint64_t left;   /* octets of the message that are not in the stream yet */
    uint64_t room;   /* of these, in the chunk that was begun */
    bool is_last;    /* it is the last one */
    bool is_waiting; /* the answer to the one before it is awaited */
    size_t since;    /* octets that were put into the stream behind that one, as far as it holds */
    enum remote_body result; /* once a function gave false */
};

static bool fail(struct sending *sending, enum remote_body result)
{
    sending->result = result;
    return false;
}

/* The answer to a chunk. One that comes before the chunk is out means nothing but a refusal. */
static bool hear(struct sending *sending)
{
    struct remote_talk *const talk = sending->talk;
    struct remote_stream const *const stream = &talk->stream;
    if (!remote_talk_hear(talk, REMOTE_CHUNK))
        return fail(sending, REMOTE_BODY_LOST);
    if (remote_talk_is_refusal(talk))
        return fail(sending, REMOTE_BODY_REFUSED);
    if (!remote_talk_is_ok(talk))
        remote_talk_is_confused(talk, REMOTE_CHUNK);
    else if (!sending->is_waiting || stream->out_end - stream->out_first > sending->since)
        remote_talk_is_early(talk, REMOTE_CHUNK);
    else {
        sending->is_waiting = false;
        return true;
    }
    return fail(sending, REMOTE_BODY_LOST);
}

/* Sends what is in the stream. Of the last chunk nothing more goes out once the server speaks. */
static bool flush(struct sending *sending)
{
    bool refused;
    if (sending->is_last)
        return remote_talk_flush(sending->talk, &refused) ||
               fail(sending, refused ? REMOTE_BODY_REFUSED : REMOTE_BODY_LOST);
    for (;;)
        switch (remote_talk_send(sending->talk)) {
        case REMOTE_SENT:
            return true;
        case REMOTE_INTERRUPTED:
            if (!hear(sending))
                return false;
            break;
        case REMOTE_UNSENT:
            return fail(sending, REMOTE_BODY_LOST);
        }
}

static bool put(struct sending *sending, char const *octets, size_t length)
{
    char *room = remote_stream_room(&sending->talk->stream, length);
    if (!room) {
        if (!flush(sending))
            return false;
        room = remote_stream_room(&sending->talk->stream, length); /* it is empty now */
    }
    memcpy(room, octets, length);
    remote_stream_add(&sending->talk->stream, length);
    sending->since += length;
    return true;
}

static bool begin_chunk(struct sending *sending)
{
    char command[COMMAND_MAX + 2];
    sending->room = sending->left < CHUNK ? sending->left : CHUNK;
    if (sending->room == sending->left && sending->is_waiting && !hear(sending))
        return false;
    sending->is_last = sending->room == sending->left;
    if (!sending->is_waiting && !remote_talk_is_quiet(sending->talk, REMOTE_CHUNK))
        return fail(sending, REMOTE_BODY_LOST);
    int const length = snprintf(command, sizeof command, "BDAT %" PRIu64 "%s\r\n", sending->room,
                                sending->is_last ? " LAST" : "");
    return put(sending, command, (size_t)length);
}

static bool end_chunk(struct sending *sending)
{
    if (sending->is_waiting && !hear(sending))
        return false;
    sending->is_waiting = true;
    sending->since = 0;
    return sending->talk->extensions.pipelining || hear(sending);
}

/* Puts LENGTH octets into chunks. */
static bool divide(struct sending *sending, char const *octets, size_t length)
{
    while (length > 0) {
        if (sending->room == 0 && !begin_chunk(sending))
            return false;
        size_t const now = length < sending->room ? length : (size_t)sending->room;
        if (!put(sending, octets, now))
            return false;
        octets += now;
        length -= now;
        sending->left -= now;
        sending->room -= now;
        if (sending->room == 0 && sending->left > 0 && !end_chunk(sending))
            return false;
    }
    return true;
}

enum remote_body remote_chunks_send(struct remote_talk *talk, struct remote_message const *message,
                                    struct failure *failure)
{
    struct sending sending = {.talk = talk, .left = message->wire_length};
    struct remote_reading reading;
    enum remote_reading_result read = REMOTE_READING_MORE;
    char octets[REMOTE_READING_MAX];
    remote_reading_start(&reading, message, REMOTE_DATA_CHUNKS);
    if (message->wire_length == 0 && !begin_chunk(&sending))
        return sending.result;
    while (read == REMOTE_READING_MORE) {
        size_t length;
        read = remote_reading_next(&reading, octets, &length, failure);
        if (read == REMOTE_READING_UNFIT)
            return REMOTE_BODY_UNFIT;
        /* Only with its last piece all of it may be out. */
        if (read == REMOTE_READING_END ? length != sending.left : length >= sending.left) {
            failure_set(failure, JOB_CORRUPT, "4.3.0 the message is not as long as it was");
            return REMOTE_BODY_UNFIT;
        }
        if (!divide(&sending, octets, length))
            return sending.result;
    }
    return flush(&sending) ? REMOTE_BODY_SENT : sending.result;
}
