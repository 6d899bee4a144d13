#include "smtpd/chunks.h"

#include <skalibs/fmtscan.h>
#include <skalibs/types.h>

#include "smtpd/message.h"

/* Takes SIZE octets off the stream: into the message, or to nowhere. False: the session's end is
 * set. Between chunks nothing is sent on to the queue, however small they are. */
static bool take(struct session *session, uint64_t size)
{
    struct stream *const stream = &session->stream;
    bool const wanted = session->arrival.stage == ARRIVAL_OPEN;
    while (size > 0) {
        size_t used = stream->end - stream->start;
        if (used == 0) {
            if (!message_wait(session))
                return false;
            continue;
        }
        if (used > size)
            used = (size_t)size;
        if (wanted)
            (void)arrival_take(session, used, &used);
        else
            stream->start += used;
        size -= used;
    }
    return true;
}

/* Why no message can begin; 0: it can. */
static char const *find_disorder(struct session const *session)
{
    struct transaction const *const transaction = &session->transaction;
    if (!session->extended)
        return "please say EHLO first";
    if (!transaction->open)
        return "please say MAIL first";
    if (transaction->recipients == 0 && !transaction->attempted)
        return "please say RCPT first";
    return 0;
}

/* A chunk that belongs to no message. */
static void refuse_order(struct session *session, uint64_t size, char const *disorder)
{
    if (!take(session, size))
        return;
    if (disorder)
        session_refuse_order(session, disorder);
    else
        session_refuse_text(session, 554, "5.5.1", "no recipient was accepted", "order");
}

/* One more of a message that was refused. Not counted: clients send the rest before they hear. */
static void drop(struct session *session, struct command_chunk const *chunk)
{
    if (!take(session, chunk->size))
        return;
    session_answer_text(session, 503, "5.5.1", "the message was refused before; please say RSET");
    if (chunk->last)
        message_forget(session);
}

static void answer(struct session *session, uint64_t size)
{
    struct reply reply;
    char text[UINT64_FMT];
    text[uint64_fmt(text, size)] = 0;
    reply_make(&reply, 250, "2.0.0", text);
    reply_add(&reply, " octets taken");
    session_answer(session, &reply);
}

/* The message is open. */
static void receive(struct session *session, struct command_chunk const *chunk)
{
    struct arrival *const arrival = &session->arrival;
    uint64_t const limit = session->settings->databytes;
    if (limit > 0 && chunk->size > limit - arrival->data.size) {
        arrival->too_large = true;
        arrival_abandon(session);
    }
    if (!take(session, chunk->size))
        return;
    if (chunk->last) {
        arrival_finish(session);
        message_end(session);
    } else if (arrival->abandoned) {
        message_refuse(session);
        arrival->stage = ARRIVAL_REFUSED;
    } else {
        answer(session, chunk->size);
    }
}

void chunks_run(struct session *session, struct command const *command)
{
    struct command_chunk chunk;
    if (command_parse_bdat(&chunk, command->argument, command->length) != COMMAND_OK) {
        session_refuse_text(session, 501, "5.5.4",
                            "syntax: BDAT octets, and LAST with the last one", "syntax");
        if (session->end == SESSION_GOES_ON)
            session->end = SESSION_FOREIGN; /* whatever its octets are, they are not commands */
        return;
    }
    if (chunk.size == 0 && !chunk.last && !session_count_idle(session))
        return;
    if (session->arrival.stage == ARRIVAL_REFUSED) {
        drop(session, &chunk);
        return;
    }
    if (session->arrival.stage == ARRIVAL_NONE) {
        char const *const disorder = find_disorder(session);
        if (disorder || session->transaction.recipients == 0) {
            refuse_order(session, chunk.size, disorder);
            return;
        }
        if (!message_may_begin(session)) {
            session->arrival.stage = ARRIVAL_REFUSED;
            if (session->end == SESSION_GOES_ON && take(session, chunk.size) && chunk.last)
                message_forget(session);
            return;
        }
        arrival_open(session, DATA_CHUNKS);
    }
    receive(session, &chunk);
}
