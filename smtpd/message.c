#include "smtpd/message.h"

#include <string.h>

#include "queue/queue_file.h"
#include "smtpd/budget.h"

static char const *describe_defects(unsigned int defects)
{
    if (defects & DATA_NUL)
        return "a NUL octet stands in the message, which RFC 5321 4.5.2 and RFC 5322 do not allow";
    if (defects & DATA_BARE_LF)
        return "a bare LF stands in the message; lines end in CRLF only (RFC 5321 2.3.8)";
    return "a bare CR stands in the message; lines end in CRLF only (RFC 5321 2.3.8)";
}

void message_refuse(struct session *session)
{
    struct arrival const *const arrival = &session->arrival;
    if (arrival->memory)
        session_refuse_text(session, 451, "4.3.0", "out of memory, please try again later",
                            "memory");
    else if (arrival->data.defects)
        session_refuse_text(session, 554, "5.6.0", describe_defects(arrival->data.defects),
                            "line-ends");
    else if (arrival->too_large)
        session_refuse_text(session, 552, "5.3.4", "the message is larger than this server takes",
                            "databytes");
    else if (!policy_accepts(arrival->from))
        session_refuse_rule(session, arrival->from, 0);
    else
        session_refuse_text(session, 554, "5.4.6",
                            "100 or more Received fields: the message is going round in a loop",
                            "hops");
}

/* The queue's exit codes as replies. What is not listed follows qmail: 11 to 40 are permanent. */
static struct {
    enum queue_status status;
    unsigned int number;
    char const *code, *text;
} const outcomes[] = {
    {QUEUE_ADDRESS_TOO_LONG, 554, "5.1.3", "the queue finds the envelope too long"},
    {QUEUE_REFUSED, 554, "5.7.1", "the queue refuses this message"},
    {QUEUE_NO_MEMORY, 451, "4.3.0", "the queue is out of memory, please try again later"},
    {QUEUE_TIMEOUT, 451, "4.3.0", "the queue took too long, please try again later"},
    {QUEUE_WRITE, 452, "4.3.1",
     "the queue is full, or its disk is failing, please try again later"},
    {QUEUE_READ, 451, "4.3.0", "the queue could not read, please try again later"},
    {QUEUE_CONFIGURATION, 451, "4.3.5", "the queue is not set up well, please try again later"},
    {QUEUE_NETWORK, 451, "4.4.1", "the queue's network failed, please try again later"},
    {QUEUE_ENVELOPE, 451, "4.3.0", "the queue could not read the envelope, please try again later"},
};

static void describe_status(struct reply *reply, enum queue_status status, char const *custom)
{
    if (status == QUEUE_CUSTOM && (custom[0] == 'D' || custom[0] == 'Z')) {
        bool permanent = custom[0] == 'D';
        reply_make(reply, permanent ? 554 : 451, permanent ? "5.7.1" : "4.3.0", custom + 1);
        return;
    }
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
        if (outcomes[i].status == status) {
            reply_make(reply, outcomes[i].number, outcomes[i].code, outcomes[i].text);
            return;
        }
    if (status >= 11 && status <= 40)
        reply_make(reply, 554, "5.3.0", "the queue refuses this message");
    else
        reply_make(reply, 451, "4.3.0", "the queue is not working, please try again later");
}

static void commit(struct session *session)
{
    struct reply reply;
    char id[QUEUE_ID_LENGTH + 1]; /* a copy: after the commit the next one's may stand there */
    memcpy(id, session->submit.id, sizeof id);
    enum queue_status status = submit_commit(&session->submit);
    if (status == QUEUE_UNKNOWN) {
        /* Any answer could be untrue; without one a client tries again (RFC 5321 4.5.4.1). */
        session->end = SESSION_UNKNOWN;
        return;
    }
    if (status != QUEUE_OK) {
        describe_status(&reply, status, session->submit.text);
        session_refuse(session, &reply, "queue", 0);
        return;
    }
    session->accepted++;
    session->errors = session->idle = 0;
    session_log_accepted(session, id, session->arrival.data.size);
    reply_make(&reply, 250, "2.0.0", "ok, queued");
    if (id[0]) {
        reply_add(&reply, " as ");
        reply_add(&reply, id);
    }
    session_answer(session, &reply);
}

void message_end(struct session *session)
{
    if (session->arrival.abandoned)
        message_refuse(session);
    else
        commit(session);
    session->arrival.stage = ARRIVAL_NONE;
    message_forget(session);
}

void message_forget(struct session *session)
{
    if (session->arrival.stage == ARRIVAL_OPEN && !session->arrival.abandoned)
        arrival_abandon(session);
    session->arrival.stage = ARRIVAL_NONE;
    transaction_reset(&session->transaction);
}

bool message_wait(struct session *session)
{
    submit_flush(&session->submit); /* the injector works while we wait */
    stream_set_deadline(&session->stream);
    enum stream_result const result = stream_fill(&session->stream);
    if (result == STREAM_OK)
        return true;
    session->end = session_end_of(result);
    return false;
}

bool message_may_begin(struct session *session)
{
    struct finding decided;
    enum stream_result const waited =
        judgement_message(&session->judgement, session->transaction.recipients, &decided);
    if (waited != STREAM_OK)
        session->end = session_end_of(waited);
    else if (decided.verdict != FINDING_NOTHING)
        session_refuse_finding(session, &decided, 0);
    else
        return budget_spend(session);
    return false;
}

void message_receive(struct session *session)
{
    struct stream *stream = &session->stream;
    size_t used;

    session_answer_text(session, 354, 0, "go ahead, and end with a dot on a line of its own");
    /* The client starts sending while the message is opened, unless it has sent already. */
    if (stream->start == stream->end)
        (void)stream_flush(stream);
    arrival_open(session, DATA_DOTTED);

    while (stream->start == stream->end || !arrival_take(session, STREAM_INPUT_SIZE, &used))
        if (!message_wait(session))
            return;
    message_end(session);
}
